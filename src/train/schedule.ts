/** @file Learning-rate schedules: a factor by step. */

export type SchedulerName = "constant" | "linear" | "cosine";

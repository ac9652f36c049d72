/** @file How far work is that users wait for. */

export type OnProgress = (stage: string, done: number, total: number, unit?: "bytes") => void;

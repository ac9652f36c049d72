/** @file The process in which a GPU is tried; gpu-trial.ts starts it. */
import { reportTrial } from "./gpu-trial.ts";

await reportTrial();

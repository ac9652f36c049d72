/**
 * @file Switches off onnxruntime's telemetry, which would otherwise try to upload usage data and leave a log in the folder
 * for temporary files for every process. To be imported before onnxruntime; in a worker thread it is too late, since only
 * the main thread changes the environment that native code sees.
 */
process.env.ORT_DISABLE_TELEMETRY ??= "1";

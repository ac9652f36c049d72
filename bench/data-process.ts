/** @file A process of its own that reads a data set and goes through its batches once: its memory is that of this alone. */
import { loadDataset } from "../src/data/dataset.ts";

const [path = ""] = process.argv.slice(2);
const before = process.memoryUsage().rss;
const start = performance.now();
const data = await loadDataset(path);
const read = performance.now();
let rows = 0;
for (const batch of data.batches({ size: 32, seed: 1 })) rows += batch.rows.length;
const end = performance.now();
// The system's own mark, in kilobytes: what is sampled may miss it.
const peak = process.resourceUsage().maxRSS * 1024;
const times = { readSeconds: (read - start) / 1000, batchSeconds: (end - read) / 1000 };
process.stdout.write(JSON.stringify({ rows, ...times, before, peak }));

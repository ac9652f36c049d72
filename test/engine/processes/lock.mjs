// Takes the lock of a folder and says whether it got it; keeps it until its input ends.
import { takeLock } from "../../../dist/src/lock.js";

const holder = takeLock(process.argv[2]);
console.log(JSON.stringify(holder ? { held: holder.pid } : { taken: process.pid }));
process.stdin.resume();

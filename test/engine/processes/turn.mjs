// Takes the turn in a folder and says so; keeps it until its input ends.
import { tryLock } from "../../../dist/src/lock.js";

const turn = tryLock(process.argv[2]);
console.log(JSON.stringify({ taken: turn !== undefined }));
process.stdin.resume().on("end", () => turn?.end());

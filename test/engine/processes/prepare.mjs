// Loads a model in this process, as told by its arguments: folder, quantize, precision, and perhaps a stage at
// which it stops forever, in the midst of writing. Prints each stage once, and the logits.
import { load } from "../../../dist/src/index.js";

const [folder, quantize, precision, stop] = process.argv.slice(2);
const say = (event) => console.log(JSON.stringify(event));
let last = "";
const onProgress = ({ stage }) => {
  if (stage !== last) say({ stage });
  last = stage;
  if (stage === stop) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
};
const glm = await load(folder, { runtime: "none", quantize, precision, onProgress });
const { data } = await glm.logits([[5, 6, 7]], { positions: [-1] });
say({ logits: [...data.slice(0, 20)] });
await glm.dispose();

// Fetches a model as a process of its own; prints where it is, or goes on until it is killed.
import { fetchModel } from "../../../dist/src/hub/fetch.js";
import { hubSettings } from "../../../dist/src/hub/settings.js";

const say = (event) => console.log(JSON.stringify(event));
let last = "";
const onProgress = (stage, done) => {
  if (stage !== last) say({ stage, done });
  last = stage;
};
say({ folder: await fetchModel(process.argv[2], { settings: hubSettings("huggingface"), onProgress }) });

/** @file `npm run test:scores`: compares BLEU and ROUGE with Python's libraries. */
import { runPythonTests } from "./python-tests.ts";

await runPythonTests({
  folder: "scores-python",
  variable: "GLMLAB_SCORES_PYTHON",
  environment: "python-scores",
  what: "jieba, NLTK and rouge-chinese",
  size: "about 100 MB",
});

"""The scores of pairs as ChatGLM's ptuning/main.py computes them: reads [[answer, reference], ...], writes what the libraries say of each.

    python scores_side.py PAIRS.json RESULTS.json
"""
import json
import logging
import sys

import jieba
from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu
from rouge_chinese import Rouge

jieba.setLogLevel(logging.ERROR)


def scores(answer, reference):
    said, wanted = list(jieba.cut(answer)), list(jieba.cut(reference))
    found = {"words": [said, wanted], "rouge": None}
    try:
        rouge = Rouge().get_scores(" ".join(said), " ".join(wanted))[0]
        found["rouge"] = {name: value["f"] for name, value in rouge.items()}
    except ValueError:
        pass  # A text without words has none.
    smooth = SmoothingFunction().method3
    found["bleu-4"] = float(sentence_bleu([list(reference)], list(answer), smoothing_function=smooth))
    return found


def main(pairs, results):
    with open(pairs, encoding="utf-8") as file:
        found = [scores(answer, reference) for answer, reference in json.load(file)]
    with open(results, "w", encoding="utf-8") as file:
        json.dump(found, file, ensure_ascii=False)


main(*sys.argv[1:])

"""Trains the SentencePiece vocabulary of `tiny` and writes it as ChatGLM2's is written.

    npm run build
    pip install -r scripts/tiny/requirements.txt
    node dist/scripts/tiny/sample.js 1 120000 | python scripts/tiny/vocabulary.py models/tiny

BPE with byte fallback, identity normalisation, a dummy prefix and single digits, like ChatGLM2's. Every common Chinese
character is a piece of its own and none are merged, so that a name is one token a character and copying it is regular;
the merges all go to English. "\n" is its byte piece, id 13, as in ChatGLM2.
"""

import json
import pathlib
import re
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2

BASE_VOCABULARY = 4155  # with the five special tokens after it: 4160 = 65 * 64
SPECIAL_TOKENS = ["[MASK]", "[gMASK]", "[sMASK]", "sop", "eop"]
PUNCTUATION = "，。？！：；、（）《》“”‘’…—·～×÷【】"
NOT_ASCII = re.compile(r"[^\x20-\x7e]+")


def characters() -> str:
    """The Chinese characters that data/characters.ts lists."""
    source = (pathlib.Path(__file__).parent / "data" / "characters.ts").read_text(encoding="utf-8")
    return "".join(re.findall(r"[\u4e00-\u9fff]", source.split("`")[1]))


def english(rows) -> list[str]:
    """What remains of each row when everything that is not ASCII is cut out of it."""
    lines = []
    for line in rows:
        row = json.loads(line)
        texts = [row["prompt"], row["response"], "[Round 1]"]
        for question, answer in row.get("history", []):
            texts += [question, answer]
        for text in texts:
            lines += [part for part in NOT_ASCII.split(text) if part.strip() != ""]
    return lines


def without_blank_pieces(file: pathlib.Path) -> None:
    """Several blanks are so many pieces: a piece of their own would hardly ever be said. It stays in its place, unused."""
    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString(file.read_bytes())
    for piece in model.pieces:
        if len(piece.piece) > 1 and set(piece.piece) == {"\u2581"}:
            piece.type = sentencepiece_model_pb2.ModelProto.SentencePiece.UNUSED
    file.write_bytes(model.SerializeToString(deterministic=True))


def main(folder: pathlib.Path) -> None:
    single = characters() + PUNCTUATION + "".join(chr(code) for code in range(0x21, 0x7F))
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "tokenizer.model"
    with model.open("wb") as writer:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(english(sys.stdin) + list(single)),
            model_writer=writer,
            model_type="bpe",
            vocab_size=BASE_VOCABULARY,
            required_chars=single,
            character_coverage=1.0,
            byte_fallback=True,
            split_digits=True,
            allow_whitespace_only_pieces=True,
            normalization_rule_name="identity",
            remove_extra_whitespaces=False,
            add_dummy_prefix=True,
            unk_id=0,
            bos_id=1,
            eos_id=2,
            pad_id=-1,
            num_threads=1,
        )
    without_blank_pieces(model)
    config = {
        "tokenizer_class": "ChatGLMTokenizer",
        "remove_space": False,
        "do_lower_case": False,
        "special_tokens": SPECIAL_TOKENS,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))

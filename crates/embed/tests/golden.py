"""Writes golden.json: what the reference implementation, sentence-transformers, says of some texts.

    pip install sentence-transformers
    python golden.py FOLDER_OF_THE_MODEL

Vectors are rounded to five digits behind the point. Texts with more word pieces than the model's window have none: the
reference cuts them off, and ours refuses them.
"""

import json
import random
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer

TEXTS = [
    "",
    " \t\n ",
    "a",
    "How do I reset my password?",
    "How do I not reset my password?",
    "The quick brown fox jumps over the lazy dog.",
    "What is the capital of France, and how many people live there today?",
    "fn main() {\n    println!(\"{}\", 1 + 2_000);\n}",
    "SELECT name, COUNT(*) FROM users WHERE created_at >= '2024-01-01' GROUP BY 1;",
    "Ünïcödé ÀÉÎÕÜ café naïve İstanbul ẞ ﬁ Ⅷ",
    "cafe\u0301 and n\u0303 decomposed; \u0301alone",
    "机器学习是什么？今天天气很好。",
    "日本語のテキストとひらがな、カタカナ。",
    "안녕하세요, 만나서 반갑습니다.",
    "Привет, как дела? Γειά σου Κόσμε;",
    "مرحبا بالعالم שלום עולם नमस्ते दुनिया",
    "\U0001f600 \U0001f468\u200d\U0001f469\u200d\U0001f467 emoji \u2764\ufe0f in the middle",
    "zero\u200bwidth, soft\u00adhyphen, bell\u0007, form\u000cfeed, next\u0085line, \ufeffmark, \ufffdlost, nul\u0000",
    "[CLS] is not [SEP] always [MASK]ed, [cls] is [UNK][PAD]",
    "x" * 100 + " " + "y" * 101 + " pneumonoultramicroscopicsilicovolcanoconiosis",
    "“Quotes” — dashes – and… ¿what? $100 €5 50% a+b=c <tag> `code` ^ ~ | ©®™",
    "https://example.com/a/b?c=d&e=%20f#g user@example.com C:\\Users\\me 192.168.0.1",
    " ".join(["word"] * 254),
    " ".join(["word"] * 255),
    " ".join(f"Sentence number {i} says something about gardens, rivers and trains." for i in range(18)),
    "\u4e00" * 254,
]


def nasty(count):
    """Texts of characters from everywhere, for the tokenizer alone."""
    dice = random.Random(7)
    ranges = [(0, 0x80), (0, 0x80), (0x80, 0x250), (0x300, 0x370), (0x370, 0x600), (0x900, 0x980), (0x1100, 0x1200),
              (0x1E00, 0x2100), (0x2100, 0x2800), (0x3000, 0x3400), (0x4E00, 0xA000), (0xAC00, 0xD7A4),
              (0xF900, 0x10000), (0x1F300, 0x1FA00), (0x20000, 0x2FA20), (0xE0000, 0xE01F0)]
    for _ in range(count):
        characters = []
        for _ in range(dice.randrange(1, 40)):
            low, high = dice.choice(ranges)
            code = dice.randrange(low, high)
            characters.append("\ufffd" if 0xD800 <= code < 0xE000 else chr(code))
        yield "".join(characters)


def main(folder):
    model = SentenceTransformer(folder, device="cpu")
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def numbers(text):
        return tokenizer.encode(text).ids

    ids = [numbers(text) for text in TEXTS]
    texts = []
    for text, tokens in zip(TEXTS, ids):
        fits = len(tokens) <= model.max_seq_length
        vector = [round(float(x), 5) for x in model.encode(text)] if fits else None
        texts.append({"text": text, "tokens": tokens, "vector": vector})
    result = {"texts": texts, "tokens": [{"text": text, "tokens": numbers(text)} for text in nasty(200)]}
    lines = ["{", '"texts": [']
    lines.append(",\n".join(json.dumps(case) for case in result["texts"]))
    lines.append('],\n"tokens": [')
    lines.append(",\n".join(json.dumps(case) for case in result["tokens"]))
    lines.append("]\n}\n")
    (Path(__file__).parent / "golden.json").write_text("\n".join(lines), encoding="utf-8")


main(sys.argv[1])

"""Writes golden.json: what the reference implementation, sentence-transformers, says of some texts.

    pip install sentence-transformers
    python golden.py FOLDER_OF_THE_MODEL

Vectors are rounded to five digits behind the point. Of texts that are there for the tokenizer the first six numbers are
enough. Texts with more word pieces than the model's window have none: the reference cuts them off, and ours refuses them.
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
    """Texts of characters from everywhere, of which a tokenizer could make something else."""
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
    # Without sentence-transformers' own files in the folder it takes the mean, and a larger window.
    model = SentenceTransformer(folder, device="cpu")
    window = json.loads((Path(folder) / "sentence_bert_config.json").read_text())["max_seq_length"]
    tokenizer = model.tokenizer.backend_tokenizer
    tokenizer.no_truncation()
    tokenizer.no_padding()

    cases = [(text, 384) for text in TEXTS] + [(text, 6) for text in nasty(200)]
    # All before the first is embedded: from then on the tokenizer cuts off again.
    fits = [len(tokenizer.encode(text).ids) <= window for text, _ in cases]

    def line(text, numbers, fits):
        vector = [round(float(x), 5) for x in model.encode(text, normalize_embeddings=True)[:numbers]] if fits else None
        return json.dumps({"text": text, "vector": vector})

    lines = [line(text, numbers, fits) for (text, numbers), fits in zip(cases, fits)]
    text = "[\n" + ",\n".join(lines) + "\n]\n"
    (Path(__file__).parent / "golden.json").write_text(text, encoding="utf-8")


main(sys.argv[1])

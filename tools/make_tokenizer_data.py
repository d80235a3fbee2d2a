#!/usr/bin/env python3
"""Makes tests/data/tokenizers: small vocabularies of every kind, trained on text of our own, and what the packages
`tokenizers` and `tiktoken` make of many texts with them.

    pip install tokenizers==0.23.3 tiktoken==0.14.0 && python tools/make_tokenizer_data.py

Every folder has tokenizer.json (or qwen.tiktoken) and goldens.jsonl. A line of goldens.jsonl has `ids`, `decoded`, `decoded_skip_special`
and, unless it only decodes, `text`, `add_special_tokens`, `allowed_special`. The output depends on this file and the
packages' versions alone. (sentencepiece/ has other origins: see the README there.)
"""
import base64
import json
import pathlib
import random
import unicodedata

import tiktoken
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "data" / "tokenizers"
LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
          r"\s*[\r\n]+|\s+(?!\S)|\s+")

# --- text of our own -------------------------------------------------------------------------------------------------
PARTS = [
    ["A rank", "The scheduler", "Every worker", "Our tokenizer", "The small model", "One process", "A careful reader"],
    ["reads", "writes", "adds", "splits", "sends", "remembers", "doesn't forget", "can't lose"],
    ["the weights", "its own slice", "a row of logits", "the next token", "42 columns", "3 of 1024 blocks", "a partial sum"],
    ["before the reduce.", "after every step!", "on two sockets;", "while others wait,", "in order to be exact.", "twice?"],
]
ZH = [["模型", "每个进程", "调度器", "分词器"], ["读取", "计算", "发送", "保存"], ["权重。", "下一个词。", "矩阵的一部分。", "结果！"]]
JA = [["モデルは", "プロセスは", "行列を"], ["すぐに", "もう一度", "正しく"], ["計算します。", "読み込みます。", "送ります。"]]
CODE = ["for (int i = 0; i < n; ++i) {\n    sum += a[i] * b[i];\n}\n", "def add(x, y):\n\treturn x + y\n",
        "if rank == 0:\n    print('ready')\n"]


def corpus():
    rng = random.Random("corpus")
    lines = []
    for table, gap, count in ((PARTS, " ", 800), (ZH, "", 120), (JA, "", 120)):
        lines += [gap.join(rng.choice(words) for words in table) for _ in range(count)]
    return lines + CODE * 20


# --- texts that the vocabularies are asked about ---------------------------------------------------------------------
TEXTS = [
    "", " ", "  ", "   a", "a  ", " a b  c   d ", "\n", "\n\n\n", "\r\n", "a\r\nb\rc\n", "\t\tx", " \n ", "\u00a0x\u3000y", "\u180e\u200b\u2028\u2029\u0085z",
    "The scheduler adds a partial sum.", "the scheduler", "THE SCHEDULER", "A rank can't lose its own slice!", "I'LL we've IT'S don't 'Sad x'\u017f",
    "0", "12", "123", "1234567", "3.14159 1,000", "x2y3", "\u00bd \u00b2 \u0663\u0664 \u2167", "a1b22c333",
    "模型读取权重。", "每个进程 计算 结果！", "行列を正しく計算します。", "がぎぐ か\u3099き\u3099", "안녕하세요", "한국어", "привет мир", "مرحبا", "नमस्ते", "สวัสดี",
    "caf\u00e9 cafe\u0301 A\u030a \u212b \u1e9b\u0323 q\u0307\u0323", "\u0301a", "\u0958", "\ufb01 \uff21\uff22\uff23", "\u0130stanbul I\u0307", "Σίσυφος ΣΑΣ",
    "\U0001f600", "a\U0001f600b", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U00020000\U0010ffff", "\ufffd", "\x00\x01\x7f", "\ufeffx",
    "\u2581", "\u2581\u2581a", "a\u2581b", " \u2581 ", "<0x0A>", "<0xE4>x", "\u0120a", "--==__##", "...", "?!", "(a)[b]{c}", "a/b\\c",
    "zyzzyva", " zyzzyva zyzzyvas", "tensorparallel", " parallel tensors", "word\u200cjoin",
    "for (int i = 0; i < n; ++i) {\n    sum += a[i];\n}\n", "def add(x, y):\n\treturn x + y\n",
    "a" * 200, " " * 70, "\n" * 30, "\u4e00" * 30, "ab" * 80, "\U0001f600" * 10, "\u2581" * 40,
]
MARKED = ["{0}", "{0}{0}", "a{0}b", "a {0} b", "  {0}  x", "\n{0}\n", "模型{0}权重", "{0}\u0301", "1{0}2", "_{0}_", "{0}s", " {0}", "{0} ", "A rank {0} reads {0}.", "e\u0301{0}e\u0301"]


def random_texts(added, count):
    rng = random.Random("texts")
    words = " ".join(w for table in (PARTS, ZH, JA) for part in table for w in part).split() + ["\u00e9", "\U0001f600", "\u4f60", "42", "_", "'s", "'LL"]
    gaps = [" "] * 6 + ["", "  ", "\n", "\t", "\r\n", "\u3000", ".", "!\n"]
    for _ in range(count):
        yield "".join(rng.choice(words + added) + rng.choice(gaps) for _ in range(rng.randint(1, 25)))


# --- vocabularies ----------------------------------------------------------------------------------------------------
def train(tokenizer, trainer):
    tokenizer.train_from_iterator(corpus(), trainer)
    return json.loads(tokenizer.to_str())


def bpe_trainer(alphabet, specials, size=700):
    return trainers.BpeTrainer(vocab_size=size, special_tokens=specials, initial_alphabet=alphabet, show_progress=False)


def template(token, after=None):
    ids = {"<s>": 0, "</s>": 1} if token == "<s>" else {token: 0}
    single = f"{token} $A" + (f" {after}" if after else "")
    return processors.TemplateProcessing(single=single, special_tokens=[(t, i) for t, i in ids.items()])


def byte_level():
    """NFC, Qwen's and LLaMA 3's way to cut, every kind of added token."""
    tok = Tokenizer(models.BPE())
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    data = train(tok, bpe_trainer(pre_tokenizers.ByteLevel.alphabet(), ["<|end|>", "<|start|>"]))
    tok = Tokenizer.from_str(json.dumps(data))
    tok.add_tokens([AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<right>", rstrip=True, normalized=False),
                    AddedToken("word", single_word=True, normalized=False), AddedToken("caf\u00e9!", normalized=True), AddedToken("<left><right>", normalized=False)])
    tok.post_processor = processors.ByteLevel(trim_offsets=False)
    data = json.loads(tok.to_str())
    data["model"]["merges"] = [" ".join(pair) for pair in data["model"]["merges"]]  # the older spelling
    return data


def ignore_merges():
    """A piece that is a token is that token, whatever the merges say."""
    tok = Tokenizer(models.BPE(ignore_merges=True))
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    data = train(tok, bpe_trainer(pre_tokenizers.ByteLevel.alphabet(), ["<|begin|>", "<|end|>"]))
    vocab = data["model"]["vocab"]
    for word in ["zyzzyva", "\u0120zyzzyva", "tensorparallel", "\u0120sche", "ank"]:
        vocab.setdefault(word, len(vocab))
    tok = Tokenizer.from_str(json.dumps(data))
    tok.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template("<|begin|>")])
    return json.loads(tok.to_str())


def digits():
    """SmolLM2's way: every digit alone, GPT-2's pattern."""
    tok = Tokenizer(models.BPE())
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)])
    tok.decoder = decoders.ByteLevel()
    return train(tok, bpe_trainer(pre_tokenizers.ByteLevel.alphabet(), ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]))


def byte_tokens():
    return ["<0x%02X>" % b for b in range(256)]


def byte_fallback():
    """LLaMA 2's way: spaces become U+2581, one in front, no pre-tokenizer; rare characters become bytes."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tok.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    tok.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")  # for training only
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=["<s>", "</s>", "<unk>"] + byte_tokens(), limit_alphabet=150, show_progress=False)
    data = train(tok, trainer)
    data["added_tokens"] = data["added_tokens"][:3]
    data["pre_tokenizer"] = None
    tok = Tokenizer.from_str(json.dumps(data))
    tok.decoder = decoders.Sequence([decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    tok.post_processor = template("<s>", "</s>")
    return json.loads(tok.to_str())


def metaspace():
    """Metaspace as pre-tokenizer and decoder, a space in front of the text only, unknown characters not fused."""
    tok = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=False))
    tok.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Replace(Regex(r"(?<=\w)[\r\n]+"), "\n")])
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=False), pre_tokenizers.Metaspace(prepend_scheme="first")])
    tok.decoder = decoders.Metaspace(prepend_scheme="first")
    data = train(tok, trainers.BpeTrainer(vocab_size=500, special_tokens=["<s>", "</s>", "<unk>"], limit_alphabet=110, show_progress=False))
    tok = Tokenizer.from_str(json.dumps(data))
    tok.post_processor = template("<s>")
    return json.loads(tok.to_str())


def unigram():
    tok = Tokenizer(models.Unigram())
    tok.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase(), normalizers.StripAccents(), normalizers.Strip()])
    tok.pre_tokenizer = pre_tokenizers.Metaspace()
    tok.decoder = decoders.Metaspace()
    return train(tok, trainers.UnigramTrainer(vocab_size=500, special_tokens=["<s>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))


def unigram_bytes():
    """Unigram with byte fallback, cut at nothing."""
    data = unigram()
    vocab = data["model"]["vocab"]
    data["model"]["vocab"] = vocab + [[t, 0.0] for t in byte_tokens()]
    data["model"]["byte_fallback"] = True
    data["normalizer"] = None
    data["pre_tokenizer"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": False}
    tok = Tokenizer.from_str(json.dumps(data))
    tok.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return json.loads(tok.to_str())


def splits():
    """The behaviors of Split, and the simple pre-tokenizers."""
    tok = Tokenizer(models.BPE(unk_token="<unk>"))
    tok.normalizer = normalizers.NFKC()
    split = lambda pattern, behavior, invert=False: pre_tokenizers.Split(Regex(pattern), behavior, invert)
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        split(r"\n\b|\d\w", "merged_with_next"), split(r"[^\S ]", "removed"), split(r"[aeiou]+", "contiguous"), split(r"--|[=_]", "merged_with_previous"),
        split(r"[\p{L}\p{M}]{1,7}|.", "removed", True), split(r"(?<=c)a|x$", "isolated"), pre_tokenizers.Punctuation("contiguous")])
    data = train(tok, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], show_progress=False))
    return data


# --- goldens ---------------------------------------------------------------------------------------------------------
def byte_letters():
    keep = list(range(0x21, 0x7f)) + list(range(0xa1, 0xad)) + list(range(0xae, 0x100))
    letters = {b: chr(b) for b in keep}
    letters.update({b: chr(256 + i) for i, b in enumerate(b for b in range(256) if b not in keep)})
    return [letters[b] for b in range(256)]


def byte_ids(tok):
    spelled = byte_tokens() if tok.token_to_id("<0x0A>") is not None else byte_letters()
    return [tok.token_to_id(t) for t in spelled]


def write_rows(folder, rows, decode, is_special):
    for row in rows:
        row["decoded"] = decode(row["ids"])
        row["decoded_skip_special"] = decode([i for i in row["ids"] if not is_special(i)])
    lines = [json.dumps(row, ensure_ascii=True, separators=(",", ":")) + "\n" for row in rows]
    (folder / "goldens.jsonl").write_text("".join(lines))
    print(f"{folder.name:15} {len(rows):5} goldens {sum(map(len, lines)):8} bytes")


def write_tiktoken():
    """Qwen v1's way: ranks in place of merges, special tokens behind them."""
    folder = OUT / "qwen_tiktoken"
    folder.mkdir(parents=True, exist_ok=True)
    back = {c: b for b, c in enumerate(byte_letters())}
    vocab = byte_level()["model"]["vocab"]
    tokens = [bytes(back[c] for c in t) for t in sorted(vocab, key=vocab.get) if not t.startswith("<|")]
    ranks = {t: i for i, t in enumerate(tokens)}
    (folder / "qwen.tiktoken").write_text("".join(f"{base64.b64encode(t).decode()} {i}\n" for t, i in ranks.items()))
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<|extra_{i}|>" for i in range(205)]
    specials = {t: len(ranks) + i for i, t in enumerate(names)}
    enc = tiktoken.Encoding("qwen", pat_str=LLAMA3.replace("{1,3}", ""), mergeable_ranks=ranks, special_tokens=specials)
    rows = []
    for i, text in enumerate(TEXTS + [m.format(t) for t in names[:4] for m in MARKED] + list(random_texts(names[:4], 40))):
        for allowed in ["all"] + (["none"] if i % 4 == 0 else []):
            ids = enc.encode(unicodedata.normalize("NFC", text), allowed_special=set() if allowed == "none" else "all", disallowed_special=())
            rows.append({"text": text, "add_special_tokens": True, "allowed_special": allowed, "ids": ids})
    write_rows(folder, rows, lambda ids: enc.decode(ids, errors="replace"), lambda i: i >= len(ranks))


def write(name, data):
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=True, separators=(",", ":")) + "\n")
    tok = Tokenizer.from_str(json.dumps(data))
    added = [t["content"] for t in data["added_tokens"]]
    texts = TEXTS + [m.format(t) for t in added[:8] for m in MARKED] + [t[:-1] for t in added] + list(random_texts(added, 40))
    rows = []
    for i, text in enumerate(dict.fromkeys(texts)):
        for special, allowed in [(False, "all")] + ([(True, "all"), (False, "none")] if i % 4 == 0 else []):
            tok.encode_special_tokens = allowed == "none"
            ids = tok.encode(text, add_special_tokens=special).ids
            rows.append({"text": text, "add_special_tokens": special, "allowed_special": allowed, "ids": ids})
    rng = random.Random("ids")
    single = byte_ids(tok)
    for raw in ["e4bda0", "e4bd", "f09f9880", "f09f98", "c328", "ff41", "e4bd41", "eda080", "c3a9ff", "e4bda0c3", "0a", "20"] if None not in single else []:
        rows.append({"ids": [single[b] for b in bytes.fromhex(raw)]})
        rows.append({"ids": [single[b] for b in bytes.fromhex(raw)] + tok.encode("a rank", add_special_tokens=False).ids})
    for _ in range(20):
        rows.append({"ids": [rng.randrange(tok.get_vocab_size()) for _ in range(rng.randint(1, 20))]})
    specials = {t["id"] for t in data["added_tokens"] if t["special"]}
    write_rows(folder, rows, lambda ids: tok.decode(ids, skip_special_tokens=False), lambda i: i in specials)


def main():
    for make in (byte_level, ignore_merges, digits, byte_fallback, metaspace, unigram, unigram_bytes, splits):
        write(make.__name__, make())
    write_tiktoken()


if __name__ == "__main__":
    main()

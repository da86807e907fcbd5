"""Random tokenizers and strings, and what `tokenizers` makes of them, for conformance/src/tokenizers.ts."""

import json
import random
import unicodedata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SPACES = [" ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u0085", "\u2003", "\u2028", "\u3000", "\u200b", "\ufeff", "\x0b", "\x1c", "\u180e"]
SCRIPTS = [
    "The quick brown foxes don't jump over 12 lazy dogs, do they? I've seen 3.14 'em!",
    "École naïve, cœur, façade, Ünïcödé; São Tomé. e\u0301a\u0300n\u0303",
    "Быстрая лиса ΣΊΣΥΦΟΣ ὈΔΥΣΣΕΎΣ",
    "汉字漢語 日本語のテスト カタカナ 한국어 시험",
    "𠀀𠮷𪚥𫝀𫠠 㐀㐁 豈更 丽",
    "مرحبا بالعالم שָׁלוֹם हिन्दी ก็ได้ தமிழ்",
    "😀👍🏽👨‍👩‍👧 ½ ² Ⅷ ﬁ ﷺ ① ℌ 𝒳 ｆｕｌｌ",
    "foo_bar-baz (qux) [x] {y} <z> a+b=c $5 #tag @me 100% ~`^|\\ ¿¡ «» “”‘’ — … 。、",
    "\u0000\u0001\u001f\u007f\u0080\u009f\u00ad\u200d\u202e\ufffd\ue000 İIıſK",
    "Ġthe ▁the <0x41> <0x0A> ##ing </w> Ċ",
]
CORPUS = [*SCRIPTS, *("low lower lowest new newer newest wide wider widest the cat sat on the mat. " * 3).split(". ")]


def word(draw):
    text = draw.choice(SCRIPTS)
    start = draw.randrange(len(text))
    return text[start : start + draw.randint(1, 6)]


def string(draw, added):
    parts = []
    for _ in range(draw.randint(0, 12)):
        kind = draw.random()
        if kind < 0.25 and added:
            content = draw.choice(added)
            parts.append(draw.choice([content, content.upper(), content.lower(), content.title(), content + content]))
        elif kind < 0.5:
            parts.append(draw.choice(SPACES) * draw.choice([1, 1, 2, 3]))
        elif kind < 0.6:
            parts.append(chr(draw.choice([draw.randrange(0x20, 0x250), draw.randrange(0x370, 0x2000), draw.randrange(0x2000, 0x3100)])))
        else:
            parts.append(word(draw))
    return "".join(parts)


def scalars(text):
    """Leaves out what no version of Unicode that both sides use has: their tables of classes would differ."""
    return "".join(c for c in text if unicodedata.category(c) not in ("Cn", "Cs"))


CONTENTS = ["<s>", "</s>", "<pad>", "<mask>", "[MASK]", "foo", "Foo bar", "bar", "oba", "the", "ing", "  ", "▁x", "É", "e\u0301", "汉", "𠮷", "Σ", "\n", "don't", "<|end|>", "12", "#", "Ġ", " lead", "trail ", "ſ", "<0x41>", "\u00a0", "ﬁ", "fi"]


def added_tokens(draw, tokenizer):
    normalized = set()
    for content in draw.sample(CONTENTS, draw.randint(8, 14)):
        options = {name: draw.random() < 0.4 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
        if options["normalized"]:
            text = tokenizer.normalizer.normalize_str(content) if tokenizer.normalizer else content
            # The library refuses two tokens that match the same text, or none.
            if text == "" or text in normalized:
                options["normalized"] = False
            normalized.add(text)
        tokenizer.add_tokens([AddedToken(content, **options)])


SPECIALS = ["<unk>", "<cls>", "<sep>"]


def template(draw, tokenizer):
    kind = draw.randrange(6)
    # One of them may be an id that the vocabulary lacks.
    ids = {"<cls>": draw.choice([tokenizer.token_to_id("<cls>") or 1, 7]), "<sep>": tokenizer.token_to_id("<sep>") or 2, "[NONE]": 5}
    pairs = list(ids.items())
    if kind == 0:
        return None
    if kind == 1:
        return processors.TemplateProcessing(single="<cls> $A <sep>", pair="<cls> $A <sep> $B <sep>", special_tokens=pairs)
    if kind == 2:
        return processors.TemplateProcessing(single="[NONE] $A", pair="[NONE] $A $B", special_tokens=pairs)
    if kind == 3:
        return processors.BertProcessing(pairs[1], pairs[0])
    if kind == 4:
        return processors.RobertaProcessing(pairs[1], pairs[0])
    return processors.Sequence([processors.ByteLevel(trim_offsets=False), processors.TemplateProcessing(single="<cls> $A", pair="$A $B", special_tokens=pairs)])


def byte_level(draw):
    normalizer = draw.choice([None, normalizers.NFC(), normalizers.NFKC(), normalizers.Lowercase(), normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()])])
    regex = Regex(r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
    pre = draw.choice(
        [
            pre_tokenizers.ByteLevel(add_prefix_space=draw.random() < 0.5, use_regex=draw.random() < 0.7),
            pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=draw.random() < 0.5), pre_tokenizers.ByteLevel(add_prefix_space=False)]),
            pre_tokenizers.Sequence([pre_tokenizers.Split(regex, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]),
        ]
    )
    tokenizer = Tokenizer(models.BPE(unk_token=draw.choice([None, None, "<unk>"]), ignore_merges=draw.random() < 0.3))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    if draw.random() < 0.3:
        alphabet = sorted(alphabet)[: draw.randint(100, 250)]
    trainer = trainers.BpeTrainer(vocab_size=draw.randint(300, 500), initial_alphabet=alphabet, special_tokens=SPECIALS, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def metaspace_parts(draw):
    """Returns a normalizer, a pre-tokenizer and a decoder that write spaces as U+2581."""
    if draw.random() < 0.4:
        normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", draw.choice([0, 1]), draw.choice([0, 0, 1]))])
        return normalizer, None, decoder
    scheme = draw.choice(["always", "first", "never"])
    normalizer = draw.choice([None, normalizers.NFKC(), normalizers.Strip(left=draw.random() < 0.5, right=True), normalizers.Lowercase(), normalizers.Nmt(), normalizers.Replace(Regex(" {2,}"), " ")])
    pre = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=draw.random() < 0.6)
    if draw.random() < 0.3:
        pre = pre_tokenizers.Sequence([draw.choice([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(), pre_tokenizers.Digits()]), pre])
    decoder = decoders.Metaspace(prepend_scheme=scheme)
    if draw.random() < 0.5:
        decoder = decoders.Sequence([decoders.ByteFallback(), decoder])
    return normalizer, pre, decoder


def with_bytes(draw, tokenizer):
    """Adds byte tokens to a trained vocabulary, all or, in some, most of them."""
    content = json.loads(tokenizer.to_str())
    model = content["model"]
    count = 256 if draw.random() < 0.7 else draw.randint(150, 255)
    tokens = [f"<0x{byte:02X}>" for byte in range(count)]
    if isinstance(model["vocab"], list):
        model["vocab"] += [[token, -20.0] for token in tokens]
    else:
        start = max(model["vocab"].values()) + 1
        model["vocab"].update({token: start + i for i, token in enumerate(tokens)})
    model["byte_fallback"] = True
    return Tokenizer.from_str(json.dumps(content))


def metaspace_bpe(draw):
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=draw.random() < 0.5, ignore_merges=draw.random() < 0.3))
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = metaspace_parts(draw)
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=300, limit_alphabet=draw.randint(40, 200), special_tokens=SPECIALS, show_progress=False))
    return with_bytes(draw, tokenizer) if draw.random() < 0.7 else tokenizer


def suffix_bpe(draw):
    suffix = {"end_of_word_suffix": "</w>"} if draw.random() < 0.6 else {"continuing_subword_prefix": "##"}
    tokenizer = Tokenizer(models.BPE(unk_token=draw.choice(["<unk>", None]), fuse_unk=draw.random() < 0.5, **suffix))
    tokenizer.normalizer = draw.choice([None, normalizers.BertNormalizer(lowercase=draw.random() < 0.5)])
    tokenizer.pre_tokenizer = draw.choice([pre_tokenizers.Whitespace(), pre_tokenizers.BertPreTokenizer(), pre_tokenizers.WhitespaceSplit()])
    tokenizer.decoder = decoders.BPEDecoder() if "end_of_word_suffix" in suffix else decoders.WordPiece()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=350, special_tokens=SPECIALS, show_progress=False, **suffix))
    return tokenizer


def unigram(draw):
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer, tokenizer.pre_tokenizer, tokenizer.decoder = metaspace_parts(draw)
    tokenizer.train_from_iterator(CORPUS, trainers.UnigramTrainer(vocab_size=200, special_tokens=SPECIALS, unk_token="<unk>", show_progress=False))
    return with_bytes(draw, tokenizer) if draw.random() < 0.5 else tokenizer


def word_piece(draw):
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>", max_input_chars_per_word=draw.choice([100, 8])))
    strip = draw.choice([None, True, False])
    tokenizer.normalizer = draw.choice(
        [
            normalizers.BertNormalizer(clean_text=draw.random() < 0.7, handle_chinese_chars=draw.random() < 0.7, strip_accents=strip, lowercase=draw.random() < 0.5),
            normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip()]),
        ]
    )
    tokenizer.pre_tokenizer = draw.choice([pre_tokenizers.BertPreTokenizer(), pre_tokenizers.Whitespace(), pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(draw.choice(["isolated", "contiguous", "removed", "merged_with_previous", "merged_with_next"]))])])
    tokenizer.decoder = decoders.WordPiece(cleanup=draw.random() < 0.6)
    tokenizer.train_from_iterator(CORPUS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=SPECIALS, show_progress=False))
    return tokenizer


def word_level(draw):
    tokenizer = Tokenizer(models.WordLevel(unk_token="<unk>"))
    tokenizer.normalizer = draw.choice([None, normalizers.NFKC(), normalizers.Lowercase()])
    behavior = draw.choice(["isolated", "contiguous", "removed", "merged_with_previous", "merged_with_next"])
    pattern = draw.choice([Regex(r"\s+"), Regex(r"[^\w]|\d"), "o", Regex(r"\s*")])
    tokenizer.pre_tokenizer = draw.choice(
        [
            pre_tokenizers.Split(pattern, behavior, invert=draw.random() < 0.3),
            pre_tokenizers.CharDelimiterSplit(" "),
            pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(individual_digits=draw.random() < 0.5)]),
            pre_tokenizers.FixedLength(3),
        ]
    )
    tokenizer.decoder = draw.choice([None, decoders.CTC(pad_token="a", word_delimiter_token="o"), decoders.Sequence([decoders.Replace(Regex("[aeiou]"), "$1"), decoders.Fuse(), decoders.Strip("t", 2, 1)])])
    tokenizer.train_from_iterator(CORPUS, trainers.WordLevelTrainer(vocab_size=300, special_tokens=SPECIALS, show_progress=False))
    return tokenizer


KINDS = [byte_level, metaspace_bpe, unigram, word_piece, word_level, suffix_bpe]


def made(seed, index):
    draw = random.Random(f"{seed} {index}")
    kind = KINDS[index % len(KINDS)]
    tokenizer = kind(draw)
    added_tokens(draw, tokenizer)
    processor = template(draw, tokenizer)
    if processor:
        tokenizer.post_processor = processor
    return kind.__name__, tokenizer


def write(folder, name, tokenizer, draw, count):
    folder.mkdir(parents=True, exist_ok=True)
    # As it is read from a file: the text of a normalized token is cached by then.
    content = tokenizer.to_str()
    tokenizer = Tokenizer.from_str(content)
    added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
    cases = []
    while len(cases) < count:
        text = scalars(string(draw, added))
        try:
            ids = tokenizer.encode(text).ids
            cases.append(
                {
                    "text": text,
                    "ids": ids,
                    "bare": tokenizer.encode(text, add_special_tokens=False).ids,
                    "decoded": tokenizer.decode(ids, skip_special_tokens=False),
                    "skipped": tokenizer.decode(ids, skip_special_tokens=True),
                }
            )
        except BaseException as error:
            # The library panics for some overlapping tokens, and for some decoders without a token.
            if type(error).__name__ != "PanicException":
                raise
    (folder / "tokenizer.json").write_text(content)
    return {"name": name, "folder": str(folder), "cases": cases}


def tokenizer_cases(seed, count, out, files):
    """Writes 20 random tokenizers, or those of the files, into folders; returns their strings, ids and texts."""
    answers = []
    for index in range(len(files) or 20):
        draw = random.Random(f"{seed} {index} strings")
        name, tokenizer = (Path(files[index]).parent.name, Tokenizer.from_file(files[index])) if files else made(seed, index)
        answers.append(write(Path(out) / f"{index:02}", name, tokenizer, draw, count))
    return answers


CLASS_PARTS = {
    "BertNormalizer": (normalizers.BertNormalizer(), None),
    "BertNormalizer, accents kept": (normalizers.BertNormalizer(strip_accents=False, lowercase=False), None),
    "StripAccents": (normalizers.StripAccents(), None),
    "Lowercase": (normalizers.Lowercase(), None),
    "Nmt": (normalizers.Nmt(), None),
    "NFKC": (normalizers.NFKC(), None),
    "Whitespace": (None, pre_tokenizers.Whitespace()),
    "WhitespaceSplit": (None, pre_tokenizers.WhitespaceSplit()),
    "BertPreTokenizer": (None, pre_tokenizers.BertPreTokenizer()),
    "Punctuation": (None, pre_tokenizers.Punctuation()),
    "Digits": (None, pre_tokenizers.Digits()),
    "Split by word": (None, pre_tokenizers.Split(Regex(r"\w"), "isolated")),
}


def tokenizer_classes():
    """Returns tokenizers with one part, and the text that they make of each assigned character between two letters."""
    # Characters of the last versions of Unicode are in the tables of one side only.
    characters = [c for c in scalars("".join(map(chr, [*range(0xD800), *range(0xE000, 0x20000)]))) if c != "|"]
    answers = []
    for name, (normalizer, pre_tokenizer) in CLASS_PARTS.items():
        # Each word is written as bytes, and words have a bar between them.
        tokens = [f"<0x{byte:02X}>" for byte in range(256)]
        tokenizer = Tokenizer(models.BPE({"|": 256, **{token: i for i, token in enumerate(tokens)}}, [], byte_fallback=True))
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizer, pre_tokenizers.Metaspace("|", split=False)])
        tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        made = [tokenizer.decode(tokenizer.encode(f"a{c}a").ids) for c in characters]
        answers.append({"name": name, "json": json.loads(tokenizer.to_str()), "characters": "".join(characters), "made": made})
    return answers

import { describe, expect, test } from "vitest";
import { bytesToLetters, byteTokenIds, lettersToBytes } from "./byteLetters.ts";
import { type DecoderJson, decoderOf } from "./decoders.ts";
import { type NormalizerJson, normalizerOf } from "./normalizers.ts";
import { frameOf } from "./postProcessors.ts";
import { type PreTokenizerJson, preTokenizerOf } from "./preTokenizers.ts";
import { type SplitBehavior, splitBehaviors, splitBy } from "./splits.ts";
import { bytePairModel } from "./tokenModels/bytePairModel.ts";
import { modelType, wordLevelModel, wordPieceModel } from "./tokenModels/models.ts";
import type { ModelJson } from "./tokenModels/tokenModel.ts";
import { unigramModel } from "./tokenModels/unigramModel.ts";

const decode = (json: DecoderJson, tokens: string[]) => decoderOf(json)(tokens).join("");
const words = (json: PreTokenizerJson, text: string, atStart = true) => [...preTokenizerOf(json).split(text, atStart)];

describe("decoders", () => {
  test("WordPiece cleans up by default", () => {
    const tokens = ["do", "not", "##es", ".", "we", "'m", "I", "n't", "'s", "'ve", "'re", "!", "?", ","];
    expect(decode({ type: "WordPiece" }, tokens)).toBe("do notes. we'm In't's've're!?,");
    expect(decode({ type: "WordPiece", cleanup: false }, ["a", ".", "##b"])).toBe("a .b");
    expect(decode({ type: "WordPiece", prefix: "@@" }, ["@@a", "@@b", "##c"])).toBe("@@ab ##c");
    expect(decode({ type: "WordPiece" }, ["x", "do not", "a ' b"])).toBe("x don't a'b");
  });

  test("CTC joins equal tokens, and leaves out the pad", () => {
    const tokens = ["<pad>", "a", "a", "<pad>", "a", "|", "b", "."];
    expect(decode({ type: "CTC" }, tokens)).toBe("aa b.");
    expect(decode({ type: "CTC" }, ["a", "b", "a", "a"])).toBe("aba");
    expect(decode({ type: "CTC", cleanup: false }, tokens)).toBe("aa|b.");
    expect(decode({ type: "CTC", pad_token: "a", word_delimiter_token: "b" }, tokens)).toBe("<pd><pd>| .");
  });

  test("Strip takes at most as many characters as it may, and none by default", () => {
    const strip = (start?: number, stop?: number) =>
      decode({ type: "Strip", content: "x", start, stop }, ["xxaxx", "xxx"]);
    expect(strip()).toBe("xxaxxxxx");
    expect(strip(1)).toBe("xaxxxx");
    expect(strip(0, 1)).toBe("xxaxxx");
    expect(strip(2, 2)).toBe("a");
    expect(strip(9, 9)).toBe("a");
    expect(decode({ type: "Strip", start: 1 }, ["  a"])).toBe(" a");
  });

  test("Metaspace, BPEDecoder and Replace have defaults", () => {
    expect(decode({ type: "Metaspace" }, ["▁a", "▁b▁c"])).toBe("a b c");
    expect(decode({ type: "Metaspace", prepend_scheme: "never" }, ["▁a", "▁b"])).toBe(" a b");
    expect(decode({ type: "BPEDecoder" }, ["a</w>", "b</w>"])).toBe("a b");
    expect(decode({ type: "Replace", pattern: { String: "a" } }, ["aba"])).toBe("b");
  });

  test("a byte order mark stays, and bytes that are no UTF-8 become U+FFFD", () => {
    expect(decode({ type: "ByteLevel" }, [bytesToLetters("\uFEFFa")])).toBe("\uFEFFa");
    expect(decode({ type: "ByteLevel" }, [lettersOf(0x61, 0xff)])).toBe("a\uFFFD");
    expect(decode({ type: "ByteLevel" }, ["a€", "b"])).toBe("a€b");
    expect(decode({ type: "ByteFallback" }, ["<0xEF>", "<0xBB>", "<0xBF>", "a"])).toBe("\uFEFFa");
    expect(decode({ type: "ByteFallback" }, ["<0xE2>", "<0x82>", "b", "<0x41>"])).toBe("\uFFFD\uFFFDbA");
    expect(decode({ type: "ByteFallback" }, ["<0xff>", "<0x4>"])).toBe("\uFFFD<0x4>");
  });

  test("an unknown decoder is named, and none writes spaces between", () => {
    expect(() => decoderOf({ type: "x" })).toThrow('decoder "x" is unknown');
    expect(decoderOf(null)(["a", "b"])).toEqual(["a b"]);
  });
});

const lettersOf = (...bytes: number[]) => {
  const all = Array.from({ length: 256 }, (_, i) => i);
  const letters = Array.from(all, (byte) => letterTable[byte]);
  return bytes.map((byte) => letters[byte]).join("");
};

/** GPT-2's `bytes_to_unicode`: printable bytes map to themselves, the others to U+0100 and following. */
const letterTable = (() => {
  const printable = [
    ..."!\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefghijklmnopqrstuvwxyz{|}~",
  ];
  const latin = "¡¢£¤¥¦§¨©ª«¬®¯°±²³´µ¶·¸¹º»¼½¾¿ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÐÑÒÓÔÕÖ×ØÙÚÛÜÝÞßàáâãäåæçèéêëìíîïðñòóôõö÷øùúûüýþÿ";
  const known = new Map([...printable, ...latin].map((letter) => [letter.charCodeAt(0), letter]));
  let next = 0x100;
  return Array.from({ length: 256 }, (_, byte) => known.get(byte) ?? String.fromCharCode(next++));
})();

test("letters of bytes are those of GPT-2", () => {
  const ascii = String.fromCharCode(...Array.from({ length: 128 }, (_, i) => i));
  expect(bytesToLetters(ascii)).toBe(letterTable.slice(0, 128).join(""));
  for (const [byte, letter] of letterTable.entries()) expect(lettersToBytes(letter)).toEqual([byte]);
  expect(lettersToBytes("a€")).toBeUndefined();
  expect(byteTokenIds("\n", new Map([["<0x0A>", 4]]))).toEqual([4]);
  expect(byteTokenIds("\nA", new Map([["<0x0A>", 4]]))).toBeUndefined();
});

describe("splits", () => {
  // Python: Split("-", behavior).pre_tokenize_str("--a-b--")
  const expected: Record<SplitBehavior, string[]> = {
    Removed: ["", "a", "b"],
    Isolated: ["-", "-", "a", "-", "b", "-", "-"],
    MergedWithPrevious: ["-", "-", "a-", "b-", "-"],
    MergedWithNext: ["-", "-a", "-b", "-", "-"],
    Contiguous: ["--", "a", "-", "b", "--"],
  };
  test.each(splitBehaviors)("%s", (behavior) => {
    expect([...splitBy(/-/g, behavior)("--a-b--", true)]).toEqual(expected[behavior]);
    expect([...splitBy(/-/g, behavior)("", true)]).toEqual([]);
    expect([...splitBy(/-/g, behavior)("ab", true)]).toEqual(["ab"]);
  });

  test("inverted matches", () => {
    const inverted = (behavior: SplitBehavior) => [...splitBy(/\w+/g, behavior, true)("a  b", true)];
    expect(inverted("Removed")).toEqual(["a", "b"]);
    expect(inverted("MergedWithPrevious")).toEqual(["a  ", "b"]);
    expect(inverted("MergedWithNext")).toEqual(["a", "  b"]);
    expect(inverted("Contiguous")).toEqual(["a", "  ", "b"]);
  });

  test("an empty match splits, and not at the end of the match before", () => {
    expect([...splitBy(/-*/g, "Isolated")("a--b", true)]).toEqual(["a", "--", "b"]);
    expect([...splitBy(/-*/g, "Removed")("a--b", true)]).toEqual(["a", "b"]);
  });
});

describe("pre-tokenizers", () => {
  test("defaults", () => {
    expect(words({ type: "FixedLength" }, "abcdefgh")).toEqual(["abcde", "fgh"]);
    expect(words({ type: "FixedLength", length: 2 }, "abc")).toEqual(["ab", "c"]);
    expect(words({ type: "Metaspace" }, "a b")).toEqual(["▁a", "▁b"]);
    expect(words({ type: "Metaspace", split: false }, "a b")).toEqual(["▁a▁b"]);
    expect(words({ type: "Metaspace" }, "a", false)).toEqual(["▁a"]);
    expect(words({ type: "Metaspace", prepend_scheme: "first" }, "a", false)).toEqual(["a"]);
    expect(words({ type: "Metaspace", prepend_scheme: "first" }, "a")).toEqual(["▁a"]);
    expect(words({ type: "Metaspace", prepend_scheme: "never" }, "a")).toEqual(["a"]);
    expect(words({ type: "Metaspace" }, " a")).toEqual(["▁a"]);
    expect(words({ type: "ByteLevel" }, "a b")).toEqual(["a", " b"]);
    expect(words({ type: "ByteLevel", add_prefix_space: true }, "a b")).toEqual([" a", " b"]);
    expect(words({ type: "ByteLevel", add_prefix_space: true }, " a")).toEqual([" a"]);
    expect(words({ type: "ByteLevel", use_regex: false }, "a b")).toEqual(["a b"]);
    expect(words({ type: "CharDelimiterSplit" }, "a b-c")).toEqual(["a", "b-c"]);
    expect(words({ type: "CharDelimiterSplit", delimiter: "-" }, "a b-c")).toEqual(["a b", "c"]);
    expect(words({ type: "Digits" }, "a12b")).toEqual(["a", "12", "b"]);
    expect(words({ type: "Digits", individual_digits: true }, "a12b")).toEqual(["a", "1", "2", "b"]);
    expect(words({ type: "Punctuation" }, "a!!b")).toEqual(["a", "!", "!", "b"]);
    expect(words({ type: "Split", pattern: { String: "." } }, "a.b")).toEqual(["a", ".", "b"]);
    expect(words({ type: "Replace", pattern: { String: "a" } }, "aba")).toEqual(["b"]);
    expect([...preTokenizerOf(null).split("a b", true)]).toEqual(["a b"]);
    expect(() => preTokenizerOf({ type: "x" })).toThrow('pre_tokenizer "x" is unknown');
  });

  test("in a sequence, only the first word is at the start of the text", () => {
    const first = { type: "Metaspace", prepend_scheme: "first" } as const;
    const both = (text: string) =>
      words({ type: "Sequence", pretokenizers: [{ type: "WhitespaceSplit" }, first] }, text);
    expect(both("a b")).toEqual(["▁a", "b"]);
    expect(both(" a b")).toEqual(["", "a", "b"]);
    const three = [{ type: "WhitespaceSplit" }, { type: "Digits" }, first];
    expect(words({ type: "Sequence", pretokenizers: three }, "a1 b")).toEqual(["▁a", "1", "b"]);
    expect(words({ type: "Sequence", pretokenizers: three }, "a1", false)).toEqual(["a", "1"]);
  });
});

describe("normalizers", () => {
  const change = (json: NormalizerJson, text: string) => normalizerOf(json).normalize(text);
  const removes = (json: NormalizerJson, text: string) => normalizerOf(json).removesStart(text);

  test("a replaced start is removed if nothing, or several characters, come in its place", () => {
    const replace = (pattern: object, content: string) => ({ type: "Replace", pattern, content });
    expect(removes(replace({ String: "a" }, ""), "ab")).toBe(true);
    expect(removes(replace({ String: "a" }, ""), "ba")).toBe(false);
    expect(removes(replace({ String: "a" }, ""), "b")).toBe(false);
    expect(removes(replace({ String: "a" }, "x"), "ab")).toBe(false);
    expect(removes(replace({ String: "ab" }, "x"), "abc")).toBe(true);
    expect(removes(replace({ Regex: "a*" }, ""), "b")).toBe(false);
    expect(removes(replace({ Regex: "a*" }, ""), "aab")).toBe(true);
    expect(removes({ type: "Strip", strip_left: true }, " a")).toBe(true);
    expect(removes({ type: "Strip", strip_right: true }, " a")).toBe(false);
    expect(removes({ type: "Lowercase" }, " a")).toBe(false);
    const sequence = {
      type: "Sequence",
      normalizers: [replace({ String: "b" }, " "), { type: "Strip", strip_left: true }],
    };
    expect([removes(sequence, "ba"), removes(sequence, "ab")]).toEqual([true, false]);
  });

  test("one character of a long text is replaced as in a short one", () => {
    const text = "a b ".repeat(40_000);
    expect(change({ type: "Replace", pattern: { String: " " }, content: "▁" }, text)).toBe("a▁b▁".repeat(40_000));
    expect(change({ type: "Replace", pattern: { String: "b " }, content: "" }, text)).toBe("a ".repeat(40_000));
    expect(change({ type: "Replace", pattern: { Regex: " " }, content: "$&" }, "a b")).toBe("a$&b");
    // A match of several characters may be at the end of a piece.
    const odd = change({ type: "Replace", pattern: { String: "b " }, content: "" }, `x${text}`);
    expect(odd).toBe(`x${"a ".repeat(40_000)}`);
    for (const length of [65_535, 65_536, 65_537, 131_072, 131_073]) {
      const all = change({ type: "Replace", pattern: { String: "a" }, content: "b" }, "a".repeat(length));
      expect(all).toBe("b".repeat(length));
    }
  });

  test("BERT's steps", () => {
    const bert = { type: "BertNormalizer" };
    expect(change(bert, "É\u0000汉\t")).toBe("É\u0000汉\t");
    expect(change({ ...bert, clean_text: true }, "a\u0000\t\u00a0")).toBe("a  ");
    expect(change({ ...bert, handle_chinese_chars: true }, "a汉")).toBe("a 汉 ");
    expect(change({ ...bert, lowercase: true }, "ÉΣ")).toBe("eσ");
    expect(change({ ...bert, lowercase: true, strip_accents: false }, "É")).toBe("é");
    expect(change({ ...bert, strip_accents: true }, "É")).toBe("E");
  });

  test("Prepend leaves an empty text as it is", () => {
    expect([change({ type: "Prepend", prepend: "▁" }, ""), change({ type: "Prepend", prepend: "▁" }, "a")]).toEqual([
      "",
      "▁a",
    ]);
    expect(() => normalizerOf({ type: "x" })).toThrow('normalizer "x" is unknown');
    expect(normalizerOf(null).normalize("É ")).toBe("É ");
  });
});

describe("models", () => {
  const bpe = (merges: string[], vocab: string, more: object = {}) =>
    bytePairModel({ vocab: Object.fromEntries(vocab.split(" ").map((token, id) => [token, id])), merges, ...more });

  test("merges go by their rank, the leftmost first", () => {
    const model = bpe(["b c", "a b", "a a", "aa a"], "a b c bc ab aa aaa");
    expect(model.encode("abc")).toEqual([0, 3]);
    expect(model.encode("ab")).toEqual([4]);
    expect(model.encode("aaa")).toEqual([6]);
    expect(model.encode("aaaa")).toEqual([5, 5]);
    expect([model.encode("a"), model.encode("")]).toEqual([[0], []]);
    expect(model.encode("ababc")).toEqual([4, 0, 3]);
  });

  test("two merges may make the same token", () => {
    const model = bpe(["a b", "b c", "ab c", "a bc"], "a b c ab bc abc");
    expect(model.encode("abc")).toEqual([5]);
    expect(model.encode("abcabc")).toEqual([5, 5]);
  });

  test("a long word is cut where no merge joins, with the ids of the whole", () => {
    const model = bpe(["a b", "ab ab"], "a b ab abab c");
    const short = `${"ab".repeat(499)}c`;
    expect([...model.cut!(short)]).toEqual([short]);
    const long = `${"ab".repeat(400)}c${"ab".repeat(400)}ba`;
    const cut = [...model.cut!(long)];
    expect(cut).toEqual(["ab".repeat(400), "c", "ab".repeat(400), "ba"]);
    expect(cut.flatMap((part) => model.encode(part))).toEqual(model.encode(long));
    expect([...model.cut!("c".repeat(1000))]).toHaveLength(1000);
    expect([...model.cut!("c".repeat(999))]).toHaveLength(1);
    // A character without a token may be part of the same unknown token as its neighbours.
    expect([...model.cut!("x".repeat(1000))]).toHaveLength(1);
    const ignoring = bpe([], `c ${"c".repeat(1000)}`, { ignore_merges: true });
    expect([...ignoring.cut!("c".repeat(1000))]).toHaveLength(1);
    expect([...bpe([], "c", { ignore_merges: true }).cut!("c".repeat(1000))]).toHaveLength(1000);
    for (const more of [{ continuing_subword_prefix: "##" }, { end_of_word_suffix: "</w>" }]) {
      expect([...bpe([], "c ##c c</w>", more).cut!("c".repeat(1000))]).toHaveLength(1);
    }
  });

  test("merges join beyond surrogate pairs", () => {
    const model = bpe(["😀 😀", "a 😀"], "😀 a 😀😀 a😀");
    expect(model.encode("a😀")).toEqual([3]);
    expect([...model.cut!("😀".repeat(500))]).toHaveLength(1);
    expect([...model.cut!("😀a".repeat(400))]).toHaveLength(401);
  });

  test("unknown characters are bytes, the unknown token, or left out", () => {
    const unknown = { unk_token: "?" };
    expect(bpe([], "? a").encode("axxa")).toEqual([1, 1]);
    expect(bpe([], "? a", unknown).encode("axxa")).toEqual([1, 0, 0, 1]);
    expect(bpe([], "? a", { ...unknown, fuse_unk: true }).encode("axxaxx")).toEqual([1, 0, 1, 0]);
    const bytes = { ...unknown, byte_fallback: true };
    expect(bpe([], "? a <0x78>", bytes).encode("axb")).toEqual([1, 2, 0]);
    expect(() => bpe([], "a", unknown).encode("x")).toThrow('model has no token for "x"');
    expect(() => bpe(["a b"], "a b")).toThrow('merges[0] is "a b", and the vocabulary lacks "ab"');
  });

  test("a prefix within words and a suffix at their ends", () => {
    const prefixed = bpe(["a ##b"], "a ##b ab ##a", { continuing_subword_prefix: "##" });
    expect([prefixed.encode("ab"), prefixed.encode("aba")]).toEqual([[2], [2, 3]]);
    const suffixed = bpe(["a b</w>"], "a b</w> ab</w> a</w> b", { end_of_word_suffix: "</w>" });
    expect([suffixed.encode("ab"), suffixed.encode("ba")]).toEqual([[2], [4, 3]]);
    expect(bpe([], "a ab", { ignore_merges: true }).encode("ab")).toEqual([1]);
    expect(bpe([], "a b ab").encode("ab")).toEqual([0, 1]);
  });

  const unigram = (vocab: [string, number][], more: Partial<ModelJson> = {}) => unigramModel({ vocab, ...more });
  test("Unigram takes the path of the largest sum, and of equal ones the first", () => {
    const vocab: [string, number][] = [
      ["a", -1],
      ["b", -1],
      ["ab", -1.5],
      ["abc", -9],
      ["c", -1],
      ["bc", -1.5],
    ];
    const model = unigram(vocab);
    expect(model.encode("ab")).toEqual([2]);
    expect(model.encode("abc")).toEqual([0, 5]);
    expect([model.encode("cab"), model.encode("")]).toEqual([[4, 2], []]);
    expect(() => model.encode("ax")).toThrow('model has no token for "x"');
    expect(
      unigram([
        ["a", -1],
        ["ab", -1],
      ]).encode("ab"),
    ).toEqual([1]);
    expect(() =>
      unigram([
        ["a", -1],
        ["ab", -1],
      ]).encode("b"),
    ).toThrow('no token for "b"');
  });

  test("Unigram's unknown characters cost 10 more than the least likely token, and a run is one", () => {
    const unknown = { unk_id: 0 };
    const vocab: [string, number][] = [
      ["<unk>", 0],
      ["a", -1],
      ["axa", -13.5],
    ];
    expect(unigram(vocab, unknown).encode("axxa")).toEqual([1, 0, 1]);
    // The score of an unknown character is -23.5 here, so the token for the whole is better.
    expect(unigram(vocab, unknown).encode("axa")).toEqual([2]);
    const near = (score: number) =>
      unigram(
        [
          ["<unk>", 0],
          ["a", 0],
          ["axa", score],
          ["z", -1],
        ],
        unknown,
      ).encode("axa");
    expect([near(-1), near(0)]).toEqual([[2], [2]]);
    const bytes = unigram(
      [
        ["<unk>", 0],
        ["a", 0],
        ["<0x78>", -5],
      ],
      { unk_id: 0, byte_fallback: true },
    );
    expect([bytes.encode("ax"), bytes.encode("ay")]).toEqual([
      [1, 2],
      [1, 0],
    ]);
  });

  test("WordLevel and WordPiece have an unknown token by default", () => {
    const level = wordLevelModel({ vocab: { "<unk>": 0, a: 1 } });
    expect([level.encode("a"), level.encode("b")]).toEqual([[1], [0]]);
    expect(() => wordLevelModel({ vocab: { a: 1 } }).encode("b")).toThrow('no token for "b"');
    const piece = (more: object = {}) => wordPieceModel({ vocab: { "[UNK]": 0, a: 1, "##a": 2, "##aa": 3 }, ...more });
    expect([piece().encode("a"), piece().encode("aaaa"), piece().encode("ab")]).toEqual([[1], [1, 3, 2], [0]]);
    expect(piece().encode("a".repeat(100))).toHaveLength(51);
    expect(piece().encode("a".repeat(101))).toEqual([0]);
    const short = piece({ max_input_chars_per_word: 2 });
    expect([short.encode("aa"), short.encode("aaa")]).toEqual([[1, 2], [0]]);
    expect(() => wordPieceModel({ vocab: { a: 1 } }).encode("ab")).toThrow('no token for "b"');
  });

  test("a model's type follows from its fields", () => {
    expect(modelType({ type: "BPE", vocab: [] })).toBe("BPE");
    expect(modelType({ vocab: [] })).toBe("Unigram");
    expect(modelType({ vocab: {}, merges: [] })).toBe("BPE");
    expect(modelType({ vocab: {} })).toBe("WordLevel");
    expect(modelType({ vocab: {}, continuing_subword_prefix: "##" })).toBe("WordPiece");
    expect(() => modelType({ type: "x", vocab: [] })).toThrow('model "x" is unknown; there are BPE, WordPiece');
  });
});

test("post-processors frame a text", () => {
  const idOf = (token: string) => (token === "[S]" ? 7 : undefined);
  expect(frameOf(null, idOf)).toEqual(["text"]);
  expect(frameOf({ type: "ByteLevel" }, idOf)).toEqual(["text"]);
  expect(frameOf({ type: "BertProcessing", cls: ["c", 3], sep: ["s", 4] }, idOf)).toEqual([3, "text", 4]);
  const single = [{ SpecialToken: { id: "[S]" } }, { Sequence: { id: "A" } }, { SpecialToken: { id: "x" } }];
  const template = { type: "TemplateProcessing", single, special_tokens: { x: { ids: [1, 2] } } };
  expect(frameOf(template, idOf)).toEqual([7, "text", 1, 2]);
  const nested = {
    type: "Sequence",
    processors: [template, { type: "RobertaProcessing", cls: ["c", 3], sep: ["s", 4] }] as const,
  };
  expect(frameOf({ ...nested, processors: [...nested.processors] as never }, idOf)).toEqual([3, 7, "text", 1, 2, 4]);
  expect(() => frameOf({ ...template, special_tokens: {} }, idOf)).toThrow('post_processor names "x"');
  expect(() => frameOf({ type: "x" }, idOf)).toThrow('post_processor "x" is unknown');
});

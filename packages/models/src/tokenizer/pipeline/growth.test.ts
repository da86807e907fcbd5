import { expect, test } from "vitest";
import { decoderOf } from "./decoders.ts";
import { Growth, TextGrowthError } from "./growth.ts";
import { normalizerOf } from "./normalizers.ts";
import { preTokenizerOf } from "./preTokenizers.ts";

const replace = (from: string, content: string) => ({ type: "Replace", pattern: { String: from }, content });
const doubling = replace("a", "aa");
const regexDoubling = { type: "Replace", pattern: { Regex: "a" }, content: "aa" };
const normalize = (normalizers: object[], text: string): string =>
  normalizerOf({ type: "Sequence", normalizers: normalizers as never }).normalize(text);
const split = (pretokenizers: object[], text: string): string[] =>
  Array.from(preTokenizerOf({ type: "Sequence", pretokenizers: pretokenizers as never }).split(text, true));
const decode = (decoders: object[], tokens: string[]): string =>
  decoderOf({ type: "Sequence", decoders: decoders as never })(tokens).join("");

const tooLong = expect.objectContaining({
  name: "TextGrowthError",
  code: "TOKENIZER_TEXT_GROWTH",
  message: expect.stringMatching(
    /the normalizer and pre-tokenizer add more than \d+ characters to a text of \d+; remove the Replace/,
  ),
});

// The limit is 20 characters per character, plus 65536.
test.each([0, 1, 5000])("a text of %i characters takes 20 times as many, and 65536 more", (length) => {
  const most = 20 * length + 65_536;
  const growth = new Growth(length);
  growth.add(most - 1);
  growth.add(-10);
  growth.add(1);
  expect(() => growth.add(1)).toThrow(
    `tokenizer.json: the normalizer and pre-tokenizer add more than ${most} characters to a text of ${length}; remove the Replace`,
  );
  expect(() => new Growth(length).add(most)).not.toThrow();
  expect(() => new Growth(length).add(most + 1)).toThrow(TextGrowthError);
});

test("16 parts may double a letter, and 17 may not", () => {
  const parts = (count: number) => Array(count).fill(doubling);
  expect(normalize(parts(16), "a")).toHaveLength(2 ** 16);
  expect(() => normalize(parts(17), "a")).toThrow(tooLong);
  expect(() => normalizerOf({ type: "Sequence", normalizers: parts(40) }).removesStart("a")).toThrow(tooLong);
  expect(split(parts(16), "a")[0]).toHaveLength(2 ** 16);
  expect(() => split(parts(17), "a")).toThrow(tooLong);
  expect(decode(parts(16), ["a"])).toHaveLength(2 ** 16);
  expect(() => decode(parts(17), ["a"])).toThrow(tooLong);
});

test("replacements in long texts add exactly as many characters as the limit", () => {
  const grown = (letters: number, others: number, content: number) =>
    normalize([replace("a", "x".repeat(content))], "a".repeat(letters) + "b".repeat(others)).length;
  // 65536 letters are replaced at once: 21 * 65536 is 20 * 65536 + 65536.
  expect(grown(65_536, 0, 22)).toBe(22 * 65_536);
  expect(() => grown(65_536, 0, 23)).toThrow(tooLong);
  // Longer texts are replaced in pieces: 83968 * 32 is 20 * 131072 + 65536.
  expect(grown(83_968, 47_104, 33)).toBe(33 * 83_968 + 47_104);
  expect(() => grown(83_969, 47_103, 33)).toThrow("add more than 2686976 characters to a text of 131072");
  expect(decode([replace("a", "x".repeat(22))], ["a".repeat(65_536)])).toHaveLength(22 * 65_536);
  const late = () => decode([replace("a", "x".repeat(23))], ["a".repeat(65_535), "a"]);
  expect(late).toThrow("add more than 1376256 characters to a text of 65536");
});

test("patterns match across the pieces of a long text", () => {
  const text = `${"x".repeat(65_535)}aba${"y".repeat(65_536)}a`;
  const replaced = (pattern: object) => normalize([{ type: "Replace", pattern, content: "-" }], text);
  expect(replaced({ String: "ab" })).toBe(text.replace("ab", "-"));
  expect(replaced({ Regex: "ab|y+" })).toBe(`${"x".repeat(65_535)}-a-a`);
  expect(replaced({ String: "a" })).toBe(text.replaceAll("a", "-"));
  expect(replaced({ String: "x" })).toBe(text.replaceAll("x", "-"));
});

test("a mark before a text adds its length", () => {
  const marked = (length: number) => split([{ type: "Metaspace", replacement: "x".repeat(length), split: false }], "a");
  expect(marked(65_556)[0]).toHaveLength(65_557);
  expect(() => marked(65_557)).toThrow(tooLong);
});

test("empty matches split a text, but not directly after a match", () => {
  const parts = (Regex: string, text: string) =>
    split([{ type: "Split", pattern: { Regex }, behavior: "Isolated" }], text);
  expect(parts("x*", "ab")).toEqual(["a", "b"]);
  expect(parts("x*", "axb")).toEqual(["a", "x", "b"]);
  expect(parts("a*", "aab")).toEqual(["aa", "b"]);
});

test("characters of later Unicode versions keep their form", () => {
  // U+32FF is of Unicode 12.1, and the tables of Python's tokenizers are of Unicode 8.
  expect(normalize([{ type: "NFKC" }], "\ufb01")).toBe("fi");
  expect(normalize([{ type: "NFKC" }], "\ufb01\u32ff\ufb02\u32ff")).toBe("fi\u32fffl\u32ff");
});

test("CTC keeps one of several equal tokens beside each other", () => {
  expect(decode([{ type: "CTC" }], ["a", "a", "b", "a", "<pad>", "a"])).toBe("abaa");
});

const nested = (part: object, key: string) => [{ type: "Sequence", [key]: Array(20).fill(part) }, part];

test.each<[string, () => unknown]>([
  ["replaces by an expression", () => normalize(Array(40).fill(regexDoubling), "a")],
  ["nests sequences", () => normalize(nested(doubling, "normalizers"), "a")],
  ["writes bytes as letters", () => normalize(Array(40).fill({ type: "ByteLevel" }), "ä")],
  ["puts long texts before", () => normalize(Array(40).fill({ type: "Prepend", prepend: "x".repeat(5000) }), "a")],
  ["replaces by a long text", () => normalize([replace("a", "x".repeat(1000))], "a".repeat(1000))],
  ["replaces one letter of a long text", () => normalize([replace("a", "x".repeat(30))], "a".repeat(200_000))],
  ["replaces within words", () => split(Array(40).fill(regexDoubling), "a")],
  ["nests sequences of words", () => split(nested(doubling, "pretokenizers"), "a")],
  ["marks spaces", () => split([{ type: "Metaspace", replacement: "x".repeat(1000), split: false }], " ".repeat(100))],
  [
    "writes words as letters",
    () => split(Array(40).fill({ type: "ByteLevel", use_regex: false, add_prefix_space: false }), "ä"),
  ],
  ["replaces within tokens", () => decode(Array(40).fill(regexDoubling), ["b", "a"])],
  ["nests sequences of decoders", () => decode(nested(doubling, "decoders"), ["a"])],
  ["puts spaces between letters", () => decode(Array(40).fill({ type: "BPEDecoder", suffix: "" }), ["a", "b"])],
  ["removes an empty mark", () => decode(Array(40).fill({ type: "Metaspace", replacement: "" }), ["a", "b"])],
  ["removes an empty sign", () => decode(Array(40).fill({ type: "CTC", word_delimiter_token: "" }), ["a", "b"])],
])("a tokenizer that %s without end is refused", (_what, run) => {
  expect(run).toThrow(tooLong);
});

test("usual parts may make long texts longer", () => {
  const text = "\ufdfa ä".repeat(50_000);
  expect(normalize([{ type: "NFKC" }, replace(" ", "▁"), { type: "ByteLevel" }], text).length).toBeGreaterThan(10 ** 6);
  const spaces = " ".repeat(200_000);
  expect(split([{ type: "Metaspace", replacement: "▁▁", prepend_scheme: "always" }], spaces).join("")).toHaveLength(
    400_000,
  );
  expect(decode([replace("▁", " "), { type: "Fuse" }], Array(100_000).fill("▁a"))).toHaveLength(200_000);
});

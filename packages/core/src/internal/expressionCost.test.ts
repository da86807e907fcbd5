import { expect, test } from "vitest";
import { expressionCost } from "./expressionCost.ts";

// Expressions of published tokenizers and adapters.
test.each([
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*",
  " ?[^(\\s|[.,!?…。，、।۔،])]+",
  "(?=(\\d{3})+(?!\\d))",
  ".*\\.(self_attn|mlp)\\.(q|v)_proj",
  "^(?!.*vision).*(?:self_attn|mlp).*(?:q_proj|v_proj)$",
  "(?:.*?(?:language|text).*?(?:self_attn|attention|mlp).*?(?:q_proj|k_proj).*?)|(?:\\bmodel\\.layers\\.[\\d]{1,}\\.(?:mlp)\\.(?:(?:up)))",
  "(?P<layer>\\d+)\\.(?P=layer)(?#a comment)",
  "[]a]+",
  "(.)\\1\\1\\1\\1\\1\\1",
  "(?P<n>.)(?P=n)(?P=n)(?P=n)(?P=n)(?P=n)",
  "(?:.*.*.*)?",
  "a{2,3}b{,4}{x}",
])("%s is matched in bounded time", (source) => {
  expect(expressionCost(source)).toBeNull();
});

test.each([
  ["(a+)+$", "repeats a part that itself contains a repeat"],
  ["(a|aa)+$", "a choice (|)"],
  ["(?:(?:a?){60}){1}", "itself contains a repeat"],
  ["(?:a{1,100}){1,100}!", "itself contains a repeat"],
  ["(?=(.*)*!)x", "itself contains a repeat"],
  ["(.+)\\1+!", "itself contains a repeat"],
  ["(?P<n>.+)(?P=n)+!", "itself contains a repeat"],
  ["(?:.*.*.*){}.*.*", "more than 4 open-ended repeats"],
  ["(?P<n>.)(?:[)\\]](?:x*))*", "itself contains a repeat"],
  [".*.*.*.*.*x", "more than 4 open-ended repeats"],
  ["(?:.*x){3}.*y.*", "more than 4 open-ended repeats"],
  ["a{100000}", "repeats a part up to 100000 times"],
  ["a".repeat(20_001), "20001 characters"],
  ["(".repeat(300), "more than 200 deep"],
])("%s is not", (source, reason) => {
  expect(expressionCost(source)).toContain(reason);
});

test.each([
  ["a*a*a*a*b", "4 open-ended repeats (such as *) before a part that may fail to match"],
  ["a*a*b", "2 open-ended repeats (such as *) before"],
  ["a+a+a+", "2 open-ended repeats (such as *) before"],
  ["(?:a*a*)b", "2 open-ended repeats (such as *) before"],
  ["(?:a*a*|x)b", "2 open-ended repeats (such as *) before"],
  ["a*(?:a*b)", "2 open-ended repeats (such as *) before"],
  ["(?:a*b){2}", "2 open-ended repeats (such as *) before"],
  ["(?:a*b){3}", "3 open-ended repeats (such as *) before"],
  ["a*a*$", "2 open-ended repeats (such as *) before"],
  ["a*a*(?!b?)", "2 open-ended repeats (such as *) before"],
  ["a*a*(?<=b?)", "2 open-ended repeats (such as *) before"],
  ["x|a*a{9,}b", "2 open-ended repeats (such as *) before"],
])("%s takes a high power of a long text's length", (source, reason) => {
  expect(expressionCost(source, true)).toContain(reason);
  expect(expressionCost(source)).toBeNull();
});

test.each([
  "[A-Z]*[a-z]+(?i:'s|'t)?",
  "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  "\\p{L}+(?:['’]\\p{L}+)?",
  "a*a*",
  "a*a*b?",
  "a*a*(?:bc)*",
  "a*a{0,8}b",
])("%s takes at most the square of a long text's length", (source) => {
  expect(expressionCost(source, true)).toBeNull();
});

// For example 2 ** 13 and 2 ** 14, 9 ** 4 and 9 ** 5, 12 ** 3 and 12 ** 4, 5 ** 4 * 16 and 5 ** 4 * 24.
test.each([
  ["a?".repeat(13), "a?".repeat(14)],
  ["(a|b)".repeat(13), "(a|b)".repeat(14)],
  ["(?:a|b){8}".concat("(?:a|b)".repeat(5)), "(?:a|b){8}".concat("(?:a|b)".repeat(6))],
  ["a{0,8}".repeat(4), "a{0,8}".repeat(5)],
  ["(?:a|b){2,3}".repeat(3), "(?:a|b){2,3}".repeat(4)],
  ["a{0,4}".repeat(4).concat("a{1,8}a?"), "a{0,4}".repeat(4).concat("a{1,8}a{1,3}")],
  ["a{0,4}a{0,4}a{0,4}a{0,4}a{1,8}a?b{9}", "a{0,4}a{0,4}a{0,4}a{0,4}a{1,8}a?b?"],
])("%s has at most 10000 ways, and %s has more", (few, many) => {
  expect(expressionCost(few)).toBeNull();
  expect(expressionCost(many)).toBe("its optional parts and choices match in more than 10000 ways");
});

test("what is no expression is left to the engine", () => {
  for (const source of ["(", ")", "[", "a)b", "\\", "{", "*", "(?", "(?P<", "{,}", "(?#"]) {
    expect(expressionCost(source)).toBeNull();
  }
});

test("limits are the largest that are allowed", () => {
  const isFine = (source: string) => expressionCost(source) === null;
  expect(["a".repeat(20_000), "a".repeat(20_001)].map(isFine)).toEqual([true, false]);
  expect([".*".repeat(4), ".*".repeat(5)].map(isFine)).toEqual([true, false]);
  expect(["a{1000}", "a{1001}", "a{2,1000}", "a{2,1001}"].map(isFine)).toEqual([true, false, true, false]);
  expect([200, 201].map((deep) => isFine("(".repeat(deep) + ")".repeat(deep)))).toEqual([true, false]);
  // More than 8 rounds of a part that varies are open-ended.
  expect(["(?:a?){8}", "(?:a?){9}", "(?:a|b){8}", "(?:a|b){9}"].map(isFine)).toEqual([true, false, true, false]);
  // 4 times 1 or 5 times 1 open-ended repeats.
  expect(["(?:a*){1}", "(?:.*x){4}", "(?:.*x){5}"].map(isFine)).toEqual([true, true, false]);
  expect(["a{1,9}".repeat(4), "a{1,9}".repeat(5), "a{1,8}".repeat(4), "a{9}".repeat(9)].map(isFine)).toEqual([
    ...[true, false, true, true],
  ]);
});

test("the worst way through alternatives counts, and that of all parts in a row", () => {
  const isFine = (source: string) => expressionCost(source) === null;
  expect([".*.*|.*.*.*.*", ".*.*|.*.*.*.*.*", "(?:.*|.*.*).*.*", "(?:.*|.*.*).*.*.*"].map(isFine)).toEqual([
    ...[true, false, true, false],
  ]);
  expect(["(?:ab)+", "(?:ab?)+", "(?:a{2,3})+", "(?:a{3})+", "(?:a{3,3})+", "(?:[ab]c)*"].map(isFine)).toEqual([
    ...[true, false, false, true, true, true],
  ]);
});

test("escapes, classes, comments and names are read as one part", () => {
  const isFine = (source: string) => expressionCost(source) === null;
  for (const fine of [
    ...["\\(a+\\)+", "(?:\\|a)+", "[+*]+", "[^]a*]+", "[]*]+", "[[a*]]+", "(?:[a\\]+*])+", "(?:\\+)+", "(?:\\])*"],
    ...["(?#a+|b*)x+", "(?#(a+)+", "(?:(?#a|b)x)+", "(?:(?<name>a))+", "(?:(?P<name>a)b)+", "(?i:a)+", "(?:(?=a)b)+"],
    ...["(?:(?!a)b)+", "(?:(?<=a)b)+", "(?:(?<!a)b)+", "(?:(?>a)b)+", "(?:{}a)+", "(?:a{,})+", "(?:a{x})+"],
  ]) {
    expect(isFine(fine), fine).toBe(true);
  }
  for (const costly of [
    ...["(?:\\1)+", "(?:\\9)+", "(?:\\k<n>)+", "(?:[a]b*)+", "(?:\\\\a+)+", "(?:[a\\\\]b*)+", "([^a]+)+", "(?i:a+)+"],
    ...["(?:(?<name>a*))+", "(?:(?P<name>a|b))+", "(?:a{,9})+", "(?:a{0,})+", "(?:a+?)+", "(?:a++)+", "(?:a*)+?"],
    ...["(?:a{2,}?)+", "(?:(?#c)a+)+", "((?=a*)b)*", "((?<=a|b)c)*"],
  ]) {
    expect(isFine(costly), costly).toBe(false);
  }
});

import { expect, test } from "vitest";
import { library } from "./library.ts";
import { matchRust } from "./matchRust.ts";
import { byteLevelJson } from "./testing/byteLevelJson.ts";

const replace = (character: string, content: string) => ({
  type: "Replace",
  pattern: { String: character },
  content,
});

function tokenizerOf(...normalizers: object[]) {
  const json = { ...byteLevelJson(["a"]), normalizer: { type: "Sequence", normalizers } };
  return new library.Tokenizer(json, {});
}

test("a long text is what it is when it is taken as a whole, pairs of surrogates too", () => {
  const normalizers = [{ type: "Prepend", prepend: "▁" }, replace(" ", "▁"), replace("b", "")];
  const [whole, pieces] = [tokenizerOf(...normalizers), tokenizerOf(...normalizers)];
  matchRust(pieces);
  for (const text of ["", " ", "a b", "😀 b".repeat(50_000), ` ${"😀 b".repeat(50_000)}`]) {
    expect(pieces.normalizer?.(text)).toBe(whole.normalizer?.(text));
  }
});

test("signs of what is put in mean nothing", () => {
  const tokenizer = tokenizerOf(replace(" ", "$&$&"));
  matchRust(tokenizer);
  expect(tokenizer.normalizer?.("a b")).toBe("a$&$&b");
});

test("a pattern of several characters is left to the library", () => {
  const tokenizer = tokenizerOf(replace("aa", "a"));
  matchRust(tokenizer);
  expect(tokenizer.normalizer?.("aaa aa")).toBe("aa a");
});

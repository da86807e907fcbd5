import { expect, test } from "vitest";
import { expressionCost } from "./expressionCost.ts";

// As published tokenizers and adapters have them.
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
  "a{2,3}b{,4}{x}",
])("%s is matched in bounded time", (source) => {
  expect(expressionCost(source)).toBeNull();
});

test.each([
  ["(a+)+$", "repeats a part that itself repeats"],
  ["(a|aa)+$", "has a choice"],
  ["(?:(?:a?){60}){1}", "itself repeats"],
  ["(?:a{1,100}){1,100}!", "itself repeats"],
  ["(?=(.*)*!)x", "itself repeats"],
  ["(.+)\\1+!", "itself repeats"],
  ["(?P<n>.)(?:[)\\]](?:x*))*", "itself repeats"],
  [".*.*.*.*.*x", "more than 4 open-ended repeats"],
  ["(?:.*x){3}.*y.*", "more than 4 open-ended repeats"],
  ["a{100000}", "repeats a part 100000 times"],
  ["a".repeat(20_001), "20001 characters"],
  ["(".repeat(300), "more than 200 deep"],
])("%s is not", (source, reason) => {
  expect(expressionCost(source)).toContain(reason);
});

test("what is no expression is left to the engine", () => {
  for (const source of ["(", ")", "[", "a)b", "\\", "{", "*", "(?", "(?P<", "{,}", "(?#"]) {
    expect(expressionCost(source)).toBeNull();
  }
});

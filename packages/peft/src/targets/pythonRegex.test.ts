import { expect, test } from "vitest";
import { pythonRegex } from "./pythonRegex.ts";

test.each([
  [String.raw`.*\.(q_proj|v_proj)`, "model.layers.0.self_attn.q_proj", true],
  [String.raw`.*\.(q_proj|v_proj)`, "model.layers.0.self_attn.q_proj.lora_A", false],
  [String.raw`(?P<layer>.*)\.(?:up|down)`, "layers.1.down", true],
  [String.raw`(?P<a>\w+)\.(?P=a)`, "x.x", true],
  [String.raw`(?P<a>\w+)\.(?P=a)`, "x.y", false],
  [String.raw`\Alayers\.\d{,2}\.up\Z`, "layers.12.up", true],
  ["(?i)LAYERS.*", "layers.0", true],
  ["(?#a note)up", "up", true],
  ["[]x]", "]", true],
  ["[^]x]", "]", false],
  ["[ab]c", "bc", true],
  ["[ab]c", "b", false],
  [String.raw`layers\.[01]\.(?!up).*`, "layers.0.down", true],
  [String.raw`layers\.[01]\.(?!up).*`, "layers.0.up", false],
  ["(?<=a)b|ab", "ab", true],
  ["up|down", "up.down", false],
])("%s over the whole of %s: %s", (source, path, expected) => {
  expect(pythonRegex(source, "fullmatch").test(path)).toBe(expected);
});

test("match needs only the beginning", () => {
  expect(pythonRegex("layers", "match").test("layers.0")).toBe(true);
  expect(pythonRegex("layers", "match").test("model.layers.0")).toBe(false);
});

test.each(["(?>a)b", "a++", String.raw`\Qa`, "(?x) a", "(a)(?(1)b)"])("%s is refused by name", (source) => {
  expect(() => pythonRegex(source, "match")).toThrow(/which JavaScript's expressions do not have/);
});

test("an expression that is none is an error that quotes it", () => {
  for (const source of ["(up", "[up", "[]", "[u\\"]) {
    const words = `${JSON.stringify(source)} is not a regular expression`;
    expect(() => pythonRegex(source, "match")).toThrow(words);
  }
});

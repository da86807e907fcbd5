import { expect, test } from "vitest";
import { readCommandLine } from "./commandLine.ts";
import { drawnMethods } from "./methods/index.ts";

test("without options, everything from a fixed seed on", () => {
  const cases = 10 * drawnMethods.length;
  expect(readCommandLine([])).toEqual({ cases, seed: 1, fixed: true, words: [] });
  expect(readCommandLine(["--cases", "1000", "gpt2"])).toEqual({ cases: 1000, seed: 1, fixed: true, words: ["gpt2"] });
});

test("a seed or a method asks for random cases alone", () => {
  expect(readCommandLine(["--seed", "123", "--cases", "1", "--method", "lora"])).toEqual({
    ...{ cases: 1, seed: 123, method: "LORA", fixed: false, words: [] },
  });
});

test.each([
  [["--method", "lorra"], "--method is lorra; there are lora"],
  [["--seed", "-1"], "--seed"],
  [["--cases", "1e3"], "--cases is 1e3; it must be an integer"],
  [["--case", "3"], "--case"],
])("%j is refused", (args, message) => {
  expect(() => readCommandLine(args)).toThrow(message);
});

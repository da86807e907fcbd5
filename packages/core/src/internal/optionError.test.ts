import { expect, test } from "vitest";
import { OptionError, type OptionNaming } from "./optionError.ts";

const flags: OptionNaming = (option, value = "") => `--${option} ${value}`.trim();

test("names its option in the library's words, and in those of a command", () => {
  const error = new OptionError("wasm", "threads", 0, "is 0; give 1");
  expect(error).toMatchObject({
    name: "OptionError",
    code: "invalid_option",
    where: "wasm",
    option: "threads",
    value: 0,
  });
  expect([error.message, error.describe(), error.describe(flags)]).toEqual([
    "wasm: threads is 0; give 1",
    "threads is 0; give 1",
    "--threads is 0; give 1",
  ]);
});

test("names other options and values too", () => {
  const error = new OptionError("", "weights", "packed", (named) => {
    return `${named("weights", "packed")} is not for ${named("quantize")}`;
  });
  expect(error.message).toBe('weights "packed" is not for quantize');
  expect(error.describe(flags)).toBe("--weights packed is not for --quantize");
});

import { describe, expect, test } from "vitest";
import { integer, names, number, targetModules } from "./argument.ts";

test.each(["1.5", "0", "-3", "eight", "", "NaN", "1e99"])("integer(1) refuses %j", (text) => {
  expect(() => integer(1)(text)).toThrow("Expected a whole number of at least 1.");
});

test("integer takes whole numbers", () => {
  expect(integer(0)("0")).toBe(0);
  expect(integer(1)("1e3")).toBe(1000);
});

test("number keeps within its range", () => {
  expect(number({ above: 0 })("2e-4")).toBe(2e-4);
  expect(() => number({ above: 0 })("0")).toThrow("Expected a number above 0.");
  expect(() => number({ least: 0, most: 1 })("1.1")).toThrow("Expected a number at least 0, at most 1.");
  expect(() => number({ least: 0 })("Infinity")).toThrow("Expected a number at least 0.");
});

test("names are split at commas", () => {
  expect(names("q_proj, v_proj")).toEqual(["q_proj", "v_proj"]);
  expect(() => names("q_proj,,v_proj")).toThrow("Expected names separated by commas.");
});

describe("targetModules", () => {
  test.each([
    ["all-linear", "all-linear"],
    ["q_proj", ["q_proj"]],
    ["layers.0.self_attn.q_proj,v_proj", ["layers.0.self_attn.q_proj", "v_proj"]],
    [".*\\.(q|v)_proj", ".*\\.(q|v)_proj"],
    ["model\\.layers\\.[0-3]{1,2}\\..*", "model\\.layers\\.[0-3]{1,2}\\..*"],
  ])("%s", (text, expected) => {
    expect(targetModules(text)).toEqual(expected);
  });
});

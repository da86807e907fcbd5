import { expect, test } from "vitest";
import {
  checkBits,
  checkLength,
  checkSpaces,
  spend,
  spendEach,
  spendSearch,
  spendText,
  withinStack,
  withStepLimit,
} from "./limits.ts";

const failure = (message: string) =>
  expect.objectContaining({ name: "TemplateError", code: "TEMPLATE_LIMIT", message });

test.each<[string, (count: number) => void, number]>([
  ["a step", (count) => spend(count), 1_000_000],
  ["256 characters of a search", spendSearch, 256_000_000],
  ["16 elements", spendEach, 16_000_000],
])("%s is one of a million steps", (_, take, most) => {
  expect(() => withStepLimit(() => take(most))).not.toThrow();
  const late = () =>
    withStepLimit(() => {
      take(most);
      take(1);
    });
  expect(late).toThrow(failure("it is not done after 1000000 steps"));
});

test("a call without a number takes one step, and 256 characters of a new text take one", () => {
  const after = (left: number, take: () => void) => () =>
    withStepLimit(() => {
      spend(1_000_000 - left);
      take();
    });
  expect(after(1, spend)).not.toThrow();
  expect(after(0.5, spend)).toThrow(failure("it is not done after 1000000 steps"));
  expect(after(2, () => spendText(512))).not.toThrow();
  expect(after(2, () => spendText(513))).toThrow(failure("it is not done after 1000000 steps"));
});

test.each<[string, (size: number) => void, number, string]>([
  ["characters", checkLength, 16_777_216, "it makes a text of more than 16777216 characters"],
  ["bits", checkBits, 65_536, "it makes an integer of more than 65536 bits"],
  ["spaces", checkSpaces, 1000, "it indents by 1001 spaces, more than 1000"],
])("%s have a limit", (_, check, most, message) => {
  expect(() => check(most)).not.toThrow();
  expect(() => check(most + 1)).toThrow(failure(message));
});

test("a stack overflow of any engine is a limit, and other errors pass", () => {
  const named = (error: Error, name: string) => Object.assign(error, { name });
  const run = (error: Error) => () =>
    withinStack(() => {
      throw error;
    });
  const message = "it nests too deep, or makes a text that is too long";
  expect(run(new RangeError("Maximum call stack size exceeded"))).toThrow(failure(message));
  expect(run(named(new Error("too much recursion"), "InternalError"))).toThrow(failure(message));
  expect(run(new TypeError("other"))).toThrow(new TypeError("other"));
  expect(withinStack(() => 3)).toBe(3);
});

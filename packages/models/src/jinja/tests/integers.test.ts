import { expect, test } from "vitest";
import { Template } from "../template.ts";

const render = (expression: string): string => new Template(`{{ ${expression} }}`).render({}).text;

// The second of each pair is Python's output.
test.each([
  ["18014398509481985 / 3", "6004799503160662.0"],
  ["-18014398509481985 / 3", "-6004799503160662.0"],
  ["9007199254740993 / 3", "3002399751580331.0"],
  ["9007199254740993 / 9007199254740993", "1.0"],
  ["1 / 9007199254740993", "1.1102230246251564e-16"],
  ["-7 % 3", "2"],
  ["7 % -3", "-2"],
  ["-7 % -3", "-1"],
  ["-6 % 3", "0"],
  ["-7 // 3", "-3"],
  ["7 // -2", "-4"],
  ["6 // -3", "-2"],
  ["2 ** 70", "1180591620717411303424"],
  ["2 ** -2", "0.25"],
  ["7.5 // 2", "3.0"],
  ["-7.5 % 2", "0.5"],
])("%s is %s", (expression, expected) => expect(render(expression)).toBe(expected));

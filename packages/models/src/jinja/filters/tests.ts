import { isInCase } from "../methods/letterCase.ts";
import { compute } from "../operators/arithmetic.ts";
import { contains, isEqual, isOrdered, numeric, textOf } from "../operators/compare.ts";
import { elementsOf, lengthIfSized } from "../operators/iterate.ts";
import type { Bound } from "../operators/signature.ts";
import { str } from "../text/repr.ts";
import { Dict, Markup, RuntimeObject, Undefined, type Value, View } from "../values/types.ts";
import { filters } from "./filters.ts";

/** A test (`is ...`): the signature of its parameters after the value (see `bind`), and its function. */
export type Test = readonly [signature: string, run: (value: Value, ...args: Bound) => boolean];

const remainder = (value: Value, by: Value): Value => compute("%", value, by);
const ordered = (operator: "<" | "<=" | ">" | ">="): Test => [
  "/ other",
  (value, other) => isOrdered(value, operator, other!),
];
const equal: Test = ["/ other", (value, other) => isEqual(value, other!)];
const unequal: Test = ["/ other", (value, other) => !isEqual(value, other!)];

function isSame(value: Value, other: Value | undefined): boolean {
  return value === other;
}

function isSequence(value: Value): boolean {
  return lengthIfSized(value) !== undefined && !(value instanceof View || value instanceof RuntimeObject);
}

const bare: Record<string, (value: Value) => boolean> = {
  odd: (value) => isEqual(remainder(value, 2n), 1n),
  even: (value) => isEqual(remainder(value, 2n), 0n),
  defined: (value) => !(value instanceof Undefined),
  undefined: (value) => value instanceof Undefined,
  filter: (value) => typeof value === "string" && Object.hasOwn(filters, value),
  test: (value) => typeof value === "string" && Object.hasOwn(tests, value),
  none: (value) => value === null,
  boolean: (value) => typeof value === "boolean",
  false: (value) => value === false,
  true: (value) => value === true,
  integer: (value) => typeof value === "bigint",
  float: (value) => typeof value === "number",
  lower: (value) => isInCase(str(value), "lower"),
  upper: (value) => isInCase(str(value), "upper"),
  string: (value) => textOf(value) !== undefined,
  mapping: (value) => value instanceof Dict,
  number: (value) => numeric(value) !== undefined,
  sequence: isSequence,
  iterable: (value) => elementsOf(value) !== undefined,
  callable: (value) => value instanceof Undefined || (value instanceof RuntimeObject && value.can.call !== undefined),
  escaped: (value) => value instanceof Markup,
};

/** Jinja's tests. */
export const tests: Readonly<Record<string, Test>> = {
  ...Object.fromEntries(Object.entries(bare).map(([name, run]): [string, Test] => [name, ["", run]])),
  divisibleby: ["num", (value, num) => isEqual(remainder(value, num!), 0n)],
  sameas: ["other", isSame],
  in: ["seq", (value, seq) => contains(seq!, value)],
  "==": equal,
  eq: equal,
  equalto: equal,
  "!=": unequal,
  ne: unequal,
  ">": ordered(">"),
  gt: ordered(">"),
  greaterthan: ordered(">"),
  ge: ordered(">="),
  ">=": ordered(">="),
  "<": ordered("<"),
  lt: ordered("<"),
  lessthan: ordered("<"),
  "<=": ordered("<="),
  le: ordered("<="),
};

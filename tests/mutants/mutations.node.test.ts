import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { equivalent, isEquivalent } from "./equivalent.ts";
import { type Mutation, mutated, mutationsOf } from "./mutations.ts";

const changes = (text: string) => mutationsOf("a.ts", text).map((one) => mutated(text, one));

test("operators, booleans, numbers and conditions change, one at a time", () => {
  expect(changes("const a = b < 2;")).toEqual(["const a = b <= 2;", "const a = b < 3;"]);
  expect(changes("if (a) b = true;")).toEqual(["if (!(a)) b = true;", "if (a) b = false;"]);
  expect(changes("if (a === b) c();")).toEqual(["if (a !== b) c();"]);
  expect(changes("x = a && b || c;")).toHaveLength(2);
  expect(changes("x = [2e15, 1e30, 3.4e38];")).toEqual(["x = [2000000000000001, 1e30, 3.4e38];"]);
});

test("types, texts, imports and errors stay", () => {
  expect(changes('import a from "a";\nlet b: 1 | true;\nconst c = "x" + d;\nthrow new Error(String(1 + 2));')).toEqual(
    [],
  );
});

test("lists of option names stay, since their types allow `true` alone", () => {
  expect(changes('checkOptions("f", options, { a: true, ...({ b: true } as const) });')).toEqual([]);
  expect(changes("const keys: OptionKeys<Options> = { ...other, a: true };")).toEqual([]);
  expect(changes("const op: Op = defineOp({ options: { a: true } });")).toEqual([]);
  expect(changes("const b = f(x, { a: true });")).toEqual(["const b = f(x, { a: false });"]);
  expect(changes("const b: Options = { a: true };")).toEqual(["const b: Options = { a: false };"]);
});

test("a change has its line", () => {
  expect(mutationsOf("a.ts", "a;\n\nb * c;").map(({ line, from, to }) => [line, from, to])).toEqual([[3, "*", "/"]]);
});

test("a table of numbers has one change", () => {
  expect(changes("const a = [[1, 2, 3], [4, 5, 6], [7, 8, 9]];")).toEqual([
    "const a = [[2, 2, 3], [4, 5, 6], [7, 8, 9]];",
  ]);
  expect(changes("const a = [1, 2, 3];")).toHaveLength(3);
});

test.each(equivalent)("the equivalent mutant of $file is one of its mutants", ({ file, line, from, to }) => {
  const text = readFileSync(join(import.meta.dirname, "../..", file), "utf8");
  const own = (mutation: Mutation) => [mutation.from, mutation.to, text.split("\n")[mutation.line - 1].trim()];
  const found = mutationsOf(file, text).filter((mutation) => isEquivalent(file, text, mutation));
  expect(found.map(own).filter((one) => one.join() === [from, to, line].join())).toEqual([[from, to, line]]);
});

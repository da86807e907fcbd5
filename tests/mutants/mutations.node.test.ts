import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { equivalent, isEquivalent, placesOf } from "./equivalent.ts";
import { mutated, mutationsOf } from "./mutations.ts";

const textOf = (file: string) => readFileSync(join(import.meta.dirname, "../..", file), "utf8");

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

const filesOf = new Set(equivalent.map(({ file }) => file));

test.each([...filesOf])("the equivalent mutants of %s are mutants of it", (file) => {
  const text = textOf(file);
  const all = mutationsOf(file, text);
  for (const entry of equivalent.filter((one) => one.file === file)) {
    const { line, from, to, places } = entry;
    const found = placesOf(text, all, entry);
    expect([line, from, to, found.length]).toEqual([line, from, to, places.of]);
    expect(places.listed?.filter((place) => place < 1 || place > places.of) ?? []).toEqual([]);
  }
});

test("equal mutants of a file are in the list as a whole, or by their places", () => {
  const file = "packages/core/src/ops/losses/crossEntropy.ts";
  const text = textOf(file);
  const listed = (line: string) =>
    mutationsOf(file, text)
      .filter((one) => one.from === "<" && text.split("\n")[one.line - 1].trim() === line)
      .map((one) => isEquivalent(file, text, one));
  expect(listed("for (let i = 0; i < n; i++) {")).toEqual([true, false]);
  expect(listed("for (let row = 0; row < labels.size; row++) {")).toEqual([false, true]);
});

test("no equivalent mutant has two entries", () => {
  const names = equivalent.map(({ file, line, from, to }) => [file, line, from, to].join("\n"));
  expect(names.filter((name, i) => names.indexOf(name) !== i)).toEqual([]);
});

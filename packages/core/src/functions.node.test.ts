import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

/** Returns the export statements of an entry. */
function exportsOf(entry: string): string[] {
  return readFileSync(join(import.meta.dirname, entry), "utf8").match(/^export [^;]*;/gm) ?? [];
}

test("the whole entry exports what the entry of functions does, and the type of the methods", () => {
  const methods = 'export type { TensorMethods } from "./methods.ts";';
  const whole = exportsOf("index.ts");
  expect(whole).toContain(methods);
  expect(whole.filter((statement) => statement !== methods)).toEqual(exportsOf("functions.ts"));
});

import { expect, it } from "vitest";
import { inspectAsText } from "./inspectAsText.ts";

class Point {
  readonly x = 3;

  toString(): string {
    return `at ${this.x}`;
  }
}

interface Formatter {
  header(value: unknown, config?: object): unknown;
  hasBody(value: unknown): boolean;
  body(value: unknown): unknown;
}
const global = globalThis as { document?: unknown; devtoolsFormatters?: Formatter[] };
const isPage = "document" in globalThis || "importScripts" in globalThis;

it("Node's consoles print the text, and its global object stays as it was", () => {
  const before = global.devtoolsFormatters?.length;
  inspectAsText(Point.prototype);
  const inspect: unknown = Reflect.get(Point.prototype, Symbol.for("nodejs.util.inspect.custom"));
  expect(Reflect.apply(inspect as () => string, new Point(), [])).toBe("at 3");
  if (!isPage) expect(global.devtoolsFormatters?.length).toBe(before);
});

it("a page's console prints the text, and the properties of an expanded object", () => {
  class Other extends Point {}
  if (!isPage) global.document = {};
  inspectAsText(Other.prototype);
  const formatter = global.devtoolsFormatters?.pop();
  if (!isPage) {
    delete global.document;
    delete global.devtoolsFormatters;
  }
  const value = new Other();
  const style = "white-space: pre; font-family: monospace";
  expect(formatter?.header(value)).toEqual(["span", { style }, "at 3"]);
  expect(formatter?.header(value, { raw: true })).toBeNull();
  expect([new Point(), 3, null].map((other) => formatter?.header(other))).toEqual([null, null, null]);
  expect(formatter?.hasBody(value)).toBe(true);
  expect(formatter?.body(value)).toEqual(["object", { object: value, config: { raw: true } }]);
});

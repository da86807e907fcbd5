/** A custom formatter for the consoles of browsers' developer tools, if the user has enabled "custom formatters". */
interface DevtoolsFormatter {
  header(value: unknown, config?: { raw?: true }): unknown;
  hasBody(value: unknown): boolean;
  body(value: unknown): unknown;
}

/**
 * Makes consoles print the result of `toString()` for objects with this prototype: in Node and, with custom formatters
 * enabled, in browsers.
 */
export function inspectAsText(prototype: { toString(): string }): void {
  Object.defineProperty(prototype, Symbol.for("nodejs.util.inspect.custom"), {
    value(this: { toString(): string }) {
      return this.toString();
    },
  });
  if (!("document" in globalThis || "importScripts" in globalThis)) return;
  const global = globalThis as { devtoolsFormatters?: DevtoolsFormatter[] };
  global.devtoolsFormatters ??= [];
  global.devtoolsFormatters.push({
    header: (value, config) =>
      Object.prototype.isPrototypeOf.call(prototype, value as object) && !config?.raw
        ? ["span", { style: "white-space: pre; font-family: monospace" }, String(value)]
        : null,
    hasBody: () => true,
    // An expanded object shows its properties.
    body: (value) => ["object", { object: value, config: { raw: true } }],
  });
}

/** A formatter of browsers' consoles, which is active if "custom formatters" are enabled. */
interface DevtoolsFormatter {
  header(value: unknown, config?: { raw?: true }): unknown;
  hasBody(value: unknown): boolean;
  body(value: unknown): unknown;
}

/**
 * Makes consoles print `toString()` of all objects with this prototype: in Node, and in browsers if custom formatters
 * are enabled.
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

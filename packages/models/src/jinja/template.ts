import { filters } from "./filters/filters.ts";
import { tests } from "./filters/tests.ts";
import { Scope } from "./run/scope.ts";
import { Runner, type Span } from "./run/statements.ts";
import { checkTemplate } from "./syntax/checkTemplate.ts";
import type { Statement } from "./syntax/nodes.ts";
import { parse } from "./syntax/statements.ts";
import { withinStack, withStepLimit } from "./values/limits.ts";
import { Dict, type Value } from "./values/types.ts";

/** The rendered text, and the ranges of it that were written inside `{% generation %}`. */
export interface Rendered {
  text: string;
  /** Positions [start, end) in UTF-16 code units. */
  generation: readonly Span[];
}

/**
 * A chat template in Jinja. It behaves as in transformers: immutable sandbox, `trim_blocks`, `lstrip_blocks`, loop
 * controls and Python's value types.
 */
export class Template {
  readonly #body: readonly Statement[];

  /** Parses a template. Throws a `TemplateError` for a syntax error or too deep nesting. */
  constructor(source: string) {
    this.#body = withinStack(() => {
      const body = parse(source);
      checkTemplate(body, {
        isFilter: (name) => Object.hasOwn(filters, name),
        isTest: (name) => Object.hasOwn(tests, name),
      });
      return body;
    });
  }

  /**
   * Renders the template. `variables` are JSON values. Throws a `TemplateError` if the template fails, or takes too
   * many steps or too much memory.
   */
  render(variables: Readonly<Record<string, unknown>>): Rendered {
    return withinStack(() => {
      const context = new Scope();
      for (const [name, value] of Object.entries(variables)) if (value !== undefined) context.set(name, toValue(value));
      const root = new Scope(context);
      const runner = new Runner(root);
      withStepLimit(() => runner.run(this.#body, root, runner.output));
      return { text: runner.output.toString(), generation: runner.spans };
    });
  }
}

/**
 * Converts a JavaScript value to a template value. Integers become Python ints. Typed arrays, blobs and functions
 * become texts such as `<Uint8Array>`, like arrays and images in transformers.
 */
function toValue(value: unknown): Value {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "boolean" || typeof value === "bigint") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? BigInt(value) : value;
  if (Array.isArray(value)) return value.map(toValue);
  if (value instanceof Map) return new Dict(Array.from(value, ([key, one]) => [toValue(key), toValue(one)]));
  if (typeof value !== "object" || ArrayBuffer.isView(value) || isBlob(value)) return `<${nameOf(value)}>`;
  const entries = Object.entries(value).filter(([, one]) => one !== undefined);
  return new Dict(entries.map(([key, one]) => [key, toValue(one)]));
}

const isBlob = (value: object): boolean =>
  value instanceof ArrayBuffer || (typeof Blob !== "undefined" && value instanceof Blob);

const nameOf = (value: unknown): string =>
  (value as { constructor?: { name?: string } }).constructor?.name ?? typeof value;

import { pythonFloat } from "@lowrank/core/internal";

/** A number that is a float in Python, so that 0 is written as 0.0. */
export class PythonFloat {
  readonly value: number;

  constructor(value: number) {
    this.value = value;
  }

  toString(): string {
    return pythonFloat(this.value);
  }
}

/** Quotes a text as Python's json does by default, with all non-ASCII characters escaped. */
function quote(text: string): string {
  const code = (unit: string) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return JSON.stringify(text).replace(/[\u007f-\uffff]/g, code);
}

/** Formats a value like Python's `json.dumps(value, indent=2, sort_keys=True)`. */
export function pythonJson(value: unknown, indent = ""): string {
  if (value instanceof PythonFloat) return value.toString();
  if (typeof value === "string") return quote(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const inner = `${indent}  `;
  const [open, close] = Array.isArray(value) ? "[]" : "{}";
  const lines = Array.isArray(value)
    ? value.map((item) => pythonJson(item, inner))
    : Object.keys(value)
        .sort()
        .map((key) => `${quote(key)}: ${pythonJson((value as Record<string, unknown>)[key], inner)}`);
  if (lines.length === 0) return open + close;
  return `${open}\n${lines.map((line) => inner + line).join(",\n")}\n${indent}${close}`;
}

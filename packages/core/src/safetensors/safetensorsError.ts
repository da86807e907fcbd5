/** Thrown for an invalid safetensors file or index, and for tensors that cannot be written into one. */
export class SafetensorsError extends Error {
  override name = "SafetensorsError";
}

/**
 * Returns a parsed JSON value as text for error messages. Long values are shortened; values nested too deep for
 * `JSON.stringify` do not throw.
 */
export function quoteJson(value: unknown): string {
  if (Array.isArray(value)) {
    const items = value.slice(0, 8).map((item) => (typeof item === "object" && item ? "..." : quoteJson(item)));
    return `[${items.join(",")}${value.length > 8 ? ",..." : ""}]`;
  }
  if (typeof value === "object" && value !== null) return "an object";
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
}

import { Dict, type Value } from "../values/types.ts";

/**
 * Converts a JavaScript value to a template value. Integers become Python ints. Typed arrays, blobs and functions
 * become texts such as `<Uint8Array>`, like arrays and images in transformers.
 */
export function toValue(value: unknown): Value {
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

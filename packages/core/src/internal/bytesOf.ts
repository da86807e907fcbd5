/**
 * Returns the bytes of an ArrayBuffer, or of a view of one, as a plain Uint8Array without copying. (Node's Buffer is a
 * Uint8Array too, but its `slice` does not copy.) Throws for other values; `what` names the caller.
 */
export function bytesOf(what: string, source: ArrayBufferLike | ArrayBufferView): Uint8Array {
  if (source instanceof Uint8Array && source.constructor === Uint8Array) return source;
  if (ArrayBuffer.isView(source)) return new Uint8Array(source.buffer, source.byteOffset, source.byteLength);
  if (isBuffer(source)) return new Uint8Array(source);
  throw new Error(`${what}: ${adviceFor(source)}`);
}

/** Returns true for an ArrayBuffer (also from another realm, such as an iframe) and for a SharedArrayBuffer. */
function isBuffer(source: unknown): source is ArrayBufferLike {
  return /^\[object (Shared)?ArrayBuffer\]$/.test(Object.prototype.toString.call(source));
}

function adviceFor(source: unknown): string {
  if (typeof Blob !== "undefined" && source instanceof Blob) {
    return "a Blob's bytes must be read first; give await blob.arrayBuffer()";
  }
  if (typeof Response !== "undefined" && source instanceof Response) {
    return "the bytes of a Response must be read first; give await response.arrayBuffer()";
  }
  const kind = Array.isArray(source)
    ? "a list"
    : source === null
      ? "null"
      : `a ${typeof source}`.replace("a o", "an o");
  return `it takes bytes, a Uint8Array or an ArrayBuffer, and ${kind} was given`;
}

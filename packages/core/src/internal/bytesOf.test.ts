import { expect, test } from "vitest";
import { bytesOf } from "./bytesOf.ts";

/** A view whose `slice` does not copy, like Node's Buffer. */
class Sharing extends Uint8Array<ArrayBuffer> {
  override slice(start = 0, end = this.length): Uint8Array<ArrayBuffer> {
    return this.subarray(start, end);
  }
}

test("slices of the bytes are copies, whatever view they come from", () => {
  const { buffer } = Uint8Array.from([0, 1, 2, 3]);
  const bytes = bytesOf("test", new Sharing(buffer, 1, 2));
  expect([...bytes]).toEqual([1, 2]);
  expect(bytes.buffer).toBe(buffer);
  expect(bytes.slice().buffer.byteLength).toBe(2);
  const plain = new Uint8Array(buffer);
  expect(bytesOf("test", plain)).toBe(plain);
});

test("a buffer is read whole, and a view of wider elements byte by byte", () => {
  const { buffer } = Uint8Array.from([0, 1, 2, 3]);
  expect(bytesOf("test", buffer)).toEqual(new Uint8Array(buffer));
  expect(bytesOf("test", new Uint16Array(buffer, 2, 1))).toEqual(Uint8Array.of(2, 3));
});

test.each([
  [new Blob(["text"]), "a Blob's bytes must be read first; give await blob.arrayBuffer()"],
  [new Response("text"), "the bytes of a Response must be read first; give await response.arrayBuffer()"],
  [[1, 2], "it takes bytes, a Uint8Array or an ArrayBuffer, and a list was given"],
  [null, "it takes bytes, a Uint8Array or an ArrayBuffer, and null was given"],
  ["text", "it takes bytes, a Uint8Array or an ArrayBuffer, and a string was given"],
  [{}, "it takes bytes, a Uint8Array or an ArrayBuffer, and an object was given"],
])("other values are refused with advice: %o", (source, advice) => {
  expect(() => bytesOf("load", source as ArrayBuffer)).toThrow(new Error(`load: ${advice}`));
});

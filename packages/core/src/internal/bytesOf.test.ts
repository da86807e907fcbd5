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

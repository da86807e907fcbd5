import { expect, test } from "vitest";
import { init, reference, tensor } from "../index.ts";
import { overwriteBytes } from "../internal.ts";

test("bytes take the place of a tensor's numbers, and whoever keeps what it knew of them hears of it", async () => {
  await init(reference());
  using t = tensor([1, 2, 3]);
  const { storage } = t;
  const before = storage.version;
  const changes: string[] = [];
  storage.watch({ changed: () => changes.push(storage.writer) });
  overwriteBytes(t, new Uint8Array(Float32Array.of(4, 5, 6).buffer));
  expect([...(await t.data())]).toEqual([4, 5, 6]);
  expect(t.storage).toBe(storage);
  expect(storage.version).toBeGreaterThan(before);
  expect(changes).toEqual(["overwriteBytes"]);
});

test("another count of bytes is an error, and nothing is written", async () => {
  await init(reference());
  using t = tensor([1, 2, 3]);
  expect(() => overwriteBytes(t, new Uint8Array(8))).toThrow("overwriteBytes: f32 [3] takes 12 bytes, got 8");
  expect([...(await t.data())]).toEqual([1, 2, 3]);
});

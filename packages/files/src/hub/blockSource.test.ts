import { expect, test } from "vitest";
import { blockBytes, blockSource } from "./cacheStore.ts";

const size = 2 * blockBytes + 10;
const byteAt = (at: number): number => (at * 31 + (at >> 12)) % 251;

function counted() {
  const asked: number[] = [];
  const source = blockSource(size, async (index) => {
    asked.push(index);
    const length = Math.min(blockBytes, size - index * blockBytes);
    return Uint8Array.from({ length }, (_, i) => byteAt(index * blockBytes + i));
  });
  return { asked, source };
}

test("a block has 4 MiB", () => expect(blockBytes).toBe(4 * 2 ** 20));

test("bytes beyond the end are refused", async () => {
  const { source } = counted();
  const room = new Uint8Array(2);
  await source.readInto?.(size - 2, room);
  await expect(Promise.resolve().then(() => source.readInto?.(size - 1, room))).rejects.toThrow(
    `bytes ${size - 1} to ${size + 1} `,
  );
});

test("reads across blocks, and keeps the last one", async () => {
  const { asked, source } = counted();
  const read = async (offset: number, length: number) => {
    const expected = Uint8Array.from({ length }, (_, i) => byteAt(offset + i));
    expect(await source.read(offset, length)).toEqual(expected);
  };
  await read(0, 3);
  await read(blockBytes - 2, 2);
  expect(asked).toEqual([0]);
  await read(blockBytes - 2, 5);
  await read(blockBytes, 1);
  expect(asked).toEqual([0, 1]);
  await read(size - 10, 10);
  await read(2 * blockBytes - 1, 11);
  expect(asked).toEqual([0, 1, 2, 1, 2]);
});

import { expect, test } from "vitest";
import { KnownLayouts } from "./knownLayouts.ts";

const layout = { tensors: [{ key: "a", dtype: "F32", byteLength: 4 }] };
const file = (...bytes: number[]) => Uint8Array.from(bytes);

test("a layout is known by its configuration, all bytes before the data, and the file's length", () => {
  const layouts = new KnownLayouts();
  const known = layouts.add("config", file(7, 8, 1, 2, 3, 4), layout);
  expect(layouts.find("config", file(7, 8, 5, 6, 7, 8))).toBe(known);
  expect(layouts.find("other", file(7, 8, 5, 6, 7, 8))).toBeUndefined();
  expect(layouts.find("config", file(7, 9, 5, 6, 7, 8))).toBeUndefined();
  expect(layouts.find("config", file(7, 8, 5, 6, 7))).toBeUndefined();
  expect(layouts.find("config", file(7, 8, 5, 6, 7, 8, 9))).toBeUndefined();
});

test("each byte before the data counts, wherever the file lies in memory", () => {
  const layouts = new KnownLayouts();
  const head = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11];
  const known = layouts.add("config", file(...head, 0, 0, 0, 0), layout);
  for (const offset of [0, 1, 4, 5]) {
    const placed = (bytes: number[]) => file(...new Array(offset).fill(0), ...bytes, 9, 9, 9, 9).subarray(offset);
    expect(layouts.find("config", placed(head))).toBe(known);
    for (const i of head.keys()) expect(layouts.find("config", placed(head.with(i, 99)))).toBeUndefined();
  }
});

test("few layouts are known: those used longest ago give way, and large ones are not kept", () => {
  const layouts = new KnownLayouts();
  const files = Array.from({ length: 40 }, (_, i) => file(i, 0, 0, 0, 0));
  for (const one of files) {
    layouts.add("config", one, layout);
    layouts.find("config", files[0]);
  }
  const known = files.filter((one) => layouts.find("config", one));
  expect(known).toEqual([files[0], ...files.slice(9)]);
  const large = new Uint8Array((1 << 18) + 4);
  layouts.add("config", large, layout);
  expect(layouts.find("config", large)).toBeUndefined();
});

test("a layout is kept if its configuration and the bytes before the data have 2^18 bytes at most", () => {
  for (const [size, kept] of [
    [(1 << 18) - 6, true],
    [(1 << 18) - 5, false],
  ] as const) {
    const layouts = new KnownLayouts();
    const weights = new Uint8Array(size + 4);
    layouts.add("config", weights, layout);
    expect(layouts.find("config", weights) !== undefined).toBe(kept);
  }
});

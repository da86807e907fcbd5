import { readFileSync } from "node:fs";
import { bytesSource, type SafetensorsTensor } from "@lowrank/core";
import { expect, test } from "vitest";
import { readTorch } from "./readTorch.ts";

const sample = new Uint8Array(readFileSync(new URL("../testing/torchSample.bin", import.meta.url)));
const range = (from: number, count: number, step = 1) => Array.from({ length: count }, (_, i) => from + step * i - 3.5);

/** Returns the values of a tensor; for half precision the bits. */
function numbers({ dtype, bytes }: SafetensorsTensor): (number | bigint)[] {
  const { buffer } = bytes.slice();
  if (dtype === "F32") return [...new Float32Array(buffer)];
  if (dtype === "I64") return [...new BigInt64Array(buffer)];
  if (dtype === "I32") return [...new Int32Array(buffer)];
  return [...(dtype === "F16" || dtype === "BF16" ? new Uint16Array(buffer) : bytes)];
}

test("tensors of all kinds that torch.save 2.15 wrote, views and parameters among them", async () => {
  const tensors = await readTorch(bytesSource(sample), "sample");
  expect(tensors.map((t) => [t.name, t.dtype, t.shape, numbers(t)])).toEqual([
    ["plain", "F32", [2, 3], range(0, 6)],
    ["turned", "F32", [3, 2], [6, 9, 7, 10, 8, 11].map((x) => x - 3.5)],
    ["part", "F32", [3, 2], range(4, 6)],
    ["every other", "F32", [5], range(0, 5, 2)],
    ["half", "F16", [3], [0x3e00, 0xc000, 0x7bff]],
    ["bfloat", "BF16", [1, 2], [0x3fc0, 0xc000]],
    ["long", "I64", [3], [1n, -2n, 3n]],
    ["int", "I32", [2], [7, -8]],
    ["byte", "U8", [2], [1, 255]],
    ["flag", "BOOL", [2], [1, 0]],
    ["scalar", "F32", [], [0.25]],
    ["empty", "F32", [0, 3], []],
  ]);
});

test("a file that is cut off anywhere, or has one byte changed, is read in full or refused with a message", async () => {
  const expected = await readTorch(bytesSource(sample), "sample");
  for (let length = 0; length < sample.length; length += 61) {
    await expect(readTorch(bytesSource(sample.subarray(0, length)), "sample")).rejects.toThrow("sample");
  }
  for (let at = 0; at < sample.length; at += 7) {
    const changed = sample.slice();
    changed[at] ^= 0x41;
    const result = await readTorch(bytesSource(changed), "sample").catch((error: Error) => error);
    if (result instanceof Error) expect(result.message, `byte ${at}`).toMatch(/^sample/);
    else expect(result.length).toBeLessThanOrEqual(expected.length);
  }
});

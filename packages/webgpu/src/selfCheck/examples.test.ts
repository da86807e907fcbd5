import { fromBytes, reference } from "@lowrank/core";
import { type BackendOp, byteLength, type Shape, type TensorSpec } from "@lowrank/core/backend";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { checkSameRows } from "../device/sameRows.ts";
import type { ExampleInput, Gpu, GpuTensor } from "../kernel/kernel.ts";
import { attentionExample } from "../kernels/attention.ts";
import { knowFormats } from "../testing/knowFormats.ts";
import { exampleBytes, SelfCheck } from "./selfCheck.ts";
import { f32, guardInput, ids, lanes, last, numbers, rows, stepExample } from "./shrink.ts";

beforeAll(knowFormats);
afterEach(() => void vi.restoreAllMocks());

const spec = (shape: Shape, dtype: TensorSpec["dtype"] = "f32"): TensorSpec => ({ shape, dtype });
const size = 2000;

async function valuesOf(input: ExampleInput): Promise<number[]> {
  const [bytes] = exampleBytes([input]);
  expect(bytes).toHaveLength(byteLength(input));
  const stored = fromBytes(bytes, input.shape, input.dtype, reference());
  return Array.from(await stored.to("f32").data());
}

describe("numbers of an example", () => {
  it.each([
    [{ shape: [size], dtype: "f32" }, -1, 1],
    [{ shape: [size], dtype: "f32", positive: true }, 0, 1],
    [{ shape: [size], dtype: "i32", below: 9 }, 0, 8],
    [{ shape: [size], dtype: "i32" }, 0, 1],
    [{ shape: [size], dtype: "u8", below: 200 }, 0, 199],
    [{ shape: [size], dtype: "bool" }, 0, 1],
  ] as const)("of %o fill the range from %d to %d", async (input, low, high) => {
    const values = await valuesOf(input);
    const width = high - low;
    expect(Math.min(...values)).toBeGreaterThanOrEqual(low);
    expect(Math.max(...values)).toBeLessThanOrEqual(high);
    expect(Math.min(...values)).toBeLessThan(low + 0.02 * width + 1e-9);
    expect(Math.max(...values)).toBeGreaterThan(high - 0.02 * width - 1e-9);
    const mean = values.reduce((a, b) => a + b) / size;
    expect(Math.abs(mean - (low + high) / 2)).toBeLessThan(0.05 * width);
  });

  it.each([
    ["f16", 1 / 4],
    ["bf16", 1 / 8],
  ] as const)("of %s have both signs and magnitudes from %d to 1", async (dtype, least) => {
    const values = await valuesOf({ shape: [size], dtype });
    const magnitudes = values.map(Math.abs);
    expect(Math.min(...magnitudes)).toBeGreaterThanOrEqual(least);
    expect(Math.min(...magnitudes)).toBeLessThan(1.05 * least);
    expect(Math.max(...magnitudes)).toBeLessThan(1);
    expect(Math.max(...magnitudes)).toBeGreaterThan(0.95);
    const negative = values.filter((value) => value < 0).length / size;
    expect(negative).toBeGreaterThan(0.45);
    expect(negative).toBeLessThan(0.55);
  });

  it("of packed weights have any codes, and scales of moderate size", () => {
    const packing = { blockSize: 64, nested: false };
    const [codes] = exampleBytes([{ shape: [64, 256], dtype: "q8_0" }]);
    const nibbles = new Set<number>();
    for (let at = 0; at < codes.length; at += 34) {
      // The scale of a block is an f16 from 1/16 to 1/8.
      expect(codes[at + 1]).toBe(0x2c);
      for (let i = 2; i < 34; i++) nibbles.add(codes[at + i]);
    }
    expect(nibbles.size).toBe(256);
    const [four] = exampleBytes([{ shape: [64, 256], dtype: "nf4", packing }]);
    expect(four).toHaveLength(byteLength({ shape: [64, 256], dtype: "nf4", packing }));
    const scales = new Float32Array(four.slice(-4 * 256).buffer);
    expect(Math.min(...scales)).toBeGreaterThanOrEqual(0.01);
    expect(Math.max(...scales)).toBeLessThan(0.11);
    expect(new Set(scales).size).toBeGreaterThan(250);
  });

  it("are the same each time, differ between inputs, and are those that are given", () => {
    const inputs = [f32(50), f32(50)];
    const [a, b] = exampleBytes(inputs);
    expect(a).not.toEqual(b);
    expect(exampleBytes(inputs)).toEqual([a, b]);
    const given = exampleBytes([
      { ...f32(4), values: [1, 2.5, -3, 0] },
      { ...spec([3], "i32"), values: [7, 8, 9] },
    ]);
    expect(Array.from(new Float32Array(given[0].buffer))).toEqual([1, 2.5, -3, 0]);
    expect(Array.from(new Int32Array(given[1].buffer))).toEqual([7, 8, 9]);
  });
});

describe("the example of a call", () => {
  const params = { dim: 1, lr: 1e-5 };

  it("has few numbers, rows or lanes", () => {
    expect(numbers([spec([5, 6]), spec([1000])], params)).toEqual({ inputs: [f32(37), f32(37)], params });
    expect(rows([spec([5, 6, 70]), spec([70])], params)).toEqual({ inputs: [f32(3, 70), f32(70)], params });
    const inputs = [spec([5, 6, 70])];
    expect(lanes(inputs, { dim: 1 }).inputs).toEqual([f32(2, 6, 2)]);
    expect(lanes(inputs, { dim: -1 }).inputs).toEqual([f32(2, 2, 70)]);
    expect(lanes([spec([1, 6])], { dim: 0 }).inputs).toEqual([f32(1, 2)]);
    expect([last([4, 5]), ids(9, 2)]).toEqual([5, { shape: [2], dtype: "i32", below: 9 }]);
  });

  it("of a step has a large rate, squares where these are, and the guard", () => {
    const [p, grad, mean, guard] = [spec([9]), spec([9]), spec([9]), spec([2])];
    const squares = { ...f32(37), positive: true };
    const plain = { ...f32(37), positive: false };
    expect(stepExample([2])([p, grad, mean], params)).toEqual({
      ...{ inputs: [plain, plain, squares], params: { dim: 1, lr: 0.5 } },
    });
    const guarded = { ...params, guard: "test" as const };
    expect(stepExample()([p, grad, guard], guarded)).toEqual({
      ...{ inputs: [plain, plain, f32(3)], params: { ...guarded, lr: 0.5 } },
    });
    expect([guardInput({}), guardInput({ guard: "obey" })]).toEqual([[], [f32(3)]]);
  });

  it("of attention has one key head, as long heads, and few queries and keys", () => {
    const heads = (queries: number, keys: number) => [
      spec([2, queries, 8, 40]),
      ...[spec([2, keys, 2, 40]), spec([2, keys, 2, 40])],
    ];
    const mask = spec([2, 8, 1, 1], "bool");
    const forward = attentionExample<{ keyLength?: number; causal?: boolean; state?: unknown }>();
    for (const [queries, t] of [
      [1, 1],
      [3, 3],
      [4, 4],
      [35, 35],
      [36, 35],
      [500, 35],
    ]) {
      const { inputs } = forward(heads(queries, 500), {}) ?? { inputs: [] };
      expect(inputs).toEqual([f32(1, t, 4, 40), f32(1, 67, 1, 40), f32(1, 67, 1, 40)]);
    }
    expect(forward(heads(5, 50), { causal: true, keyLength: 20 })).toEqual({
      ...{ inputs: [f32(1, 5, 4, 40), f32(1, 20, 1, 40), f32(1, 20, 1, 40)], params: { causal: true } },
    });
    expect(forward([...heads(5, 50), mask], {})?.inputs).toEqual([
      ...[f32(1, 5, 4, 40), f32(1, 50, 1, 40), f32(1, 50, 1, 40), { shape: [1, 1, 5, 50], dtype: "bool" }],
    ]);
    expect(forward(heads(5, 50), { state: {} })?.params.state).toMatchObject({ seed: expect.any(Number) });
    const backward = attentionExample(["q"], ["q", "lse"]);
    const [q, k, v] = heads(5, 50);
    const all = [q, q, k, v, q, spec([2, 8, 5])];
    const made = [
      f32(1, 5, 4, 40),
      f32(1, 5, 4, 40),
      f32(1, 50, 1, 40),
      f32(1, 50, 1, 40),
      f32(1, 5, 4, 40),
      f32(1, 4, 5),
    ];
    expect(backward(all, {})?.inputs).toEqual(made);
    expect(backward([...all, mask], {})?.inputs).toEqual([...made, { shape: [1, 1, 5, 50], dtype: "bool" }]);
  });
});

describe("the check of a kernel", () => {
  /** Counts warnings for an op that returns its input, and a kernel that adds an error to one element. */
  async function warnings(error: (value: number) => number, at: number, values: readonly number[]): Promise<number> {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    const memory = new Map<object, Uint8Array>();
    let runs = 0;
    const backend = {
      alloc: (bytes: number) => {
        const buffer = { bytes };
        memory.set(buffer, new Uint8Array(bytes));
        return buffer;
      },
      free: (buffer: object) => expect(memory.delete(buffer)).toBe(true),
      write: (buffer: object, bytes: Uint8Array) => memory.get(buffer)?.set(bytes),
      read: async (buffer: object) => memory.get(buffer) as Uint8Array,
      supports: () => true,
      run: (_op: unknown, [x]: { buffer: object }[], [y]: { buffer: object }[]) => {
        runs++;
        const made = new Float32Array((memory.get(x.buffer) as Uint8Array).slice().buffer);
        made[at] = error(made[at]);
        memory.set(y.buffer, new Uint8Array(made.buffer));
      },
    };
    const op = {
      name: "test/same",
      shape: ([x]: TensorSpec[]) => x,
      ref: ([x]: { data: Float32Array }[], [y]: { data: Float32Array }[]) => y.data.set(x.data),
    } as unknown as BackendOp<unknown>;
    const calls = [{ op, inputs: [spec([9])], params: undefined }];
    const examples = { exampleOf: () => ({ inputs: [{ ...f32(values.length), values }], params: undefined }) } as never;
    const check = new SelfCheck("test adapter");
    expect(check.refuses(op, [spec([9])])).toBe(false);
    await check.check(backend as never, calls, examples);
    await check.check(backend as never, calls, examples);
    expect([runs, memory.size]).toEqual([1, 0]);
    const { length } = warn.mock.calls;
    expect(check.refuses(op, [spec([9])])).toBe(length > 0);
    expect(check.refuses(op, [spec([9], "f16")])).toBe(false);
    warn.mockRestore();
    return length;
  }

  it("takes errors up to a ten-thousandth of the largest number", async () => {
    const values = [0.5, -20, 3];
    for (const [error, found] of [
      [0, 0],
      [19e-4, 0],
      [-19e-4, 0],
      [21e-4, 1],
      [-21e-4, 1],
      [Number.NaN, 1],
      [Number.POSITIVE_INFINITY, 1],
    ]) {
      for (const at of [0, 1, 2]) expect(await warnings((value) => value + error, at, values), `${error}`).toBe(found);
    }
  });

  it("takes the same NaN and infinities, and no others", async () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1];
    expect(await warnings((value) => value, 0, values)).toBe(0);
    expect(await warnings(() => 1, 0, values)).toBe(1);
    expect(await warnings(() => 1e30, 1, values)).toBe(1);
    expect(await warnings(() => Number.POSITIVE_INFINITY, 2, values)).toBe(1);
    // The tolerance depends only on finite values.
    expect(await warnings((value) => value + 2e-4, 3, values)).toBe(1);
  });
});

describe("the trial of rows", () => {
  const gpu = {
    ...{ features: new Set(), software: true, batchInvariant: true, tile: "direct 8x4" },
    limits: { maxComputeWorkgroupsPerDimension: 65535, maxStorageBufferBindingSize: 2 ** 27 },
    scratch: ({ shape }: TensorSpec) => placed(shape),
  } as unknown as Gpu;
  const placed = (shape: Shape): GpuTensor => {
    const count = shape.reduce((a, b) => a * b, 1);
    const slab = { id: 0, buffer: {} as never, bytes: 4 * count, lastBatch: -1 };
    return { shape, dtype: "f32", size: count, buffer: { bytes: 4 * count, slab, freed: false } };
  };

  /** Tests an adapter whose product of that shape differs in a byte. Returns the shapes of all products. */
  const tried = async (adapter: string, wrong?: { shape: string; byte: number }): Promise<string[]> => {
    const found: string[] = [];
    await checkSameRows(adapter, gpu, {
      place: (shape, values) => {
        expect(values.length).toBe(shape.reduce((a, b) => a * b, 1));
        const inputs = shape.length === 2;
        if (inputs) {
          expect(Math.max(...values)).toBeLessThanOrEqual(1);
          expect(Math.min(...values)).toBeLessThan(-0.95);
          expect(Math.max(...values)).toBeGreaterThan(0.95);
          expect(new Set(values).size).toBeGreaterThan(0.9 * values.length);
        } else expect(values.every((value) => value === 0)).toBe(true);
        return placed(shape);
      },
      run: (runs) => expect(runs.length).toBeGreaterThan(0),
      read: async ({ shape, size: count }) => {
        found.push(`${shape}`);
        const bytes = new Uint8Array(4 * count).fill(3);
        if (wrong?.shape === `${shape}`) bytes[wrong.byte] = 4;
        return bytes;
      },
    });
    return found;
  };

  it("compares the first row of products of several sizes, once for an adapter", async () => {
    const shapes = await tried("test/rows kept");
    expect(shapes).toEqual([70, 8].flatMap((n) => [`1,1,${n}`, `1,3,${n}`, `1,20,${n}`, `64,20,${n}`]));
    expect(await tried("test/rows kept", { shape: "1,3,70", byte: 0 })).toEqual([]);
  });

  it("refuses an adapter on which a bit of the row differs, and asks no more of the other rows", async () => {
    const message =
      "webgpu: on test/rows broken, a row of a matrix product depends on the other rows, so batchInvariant is not possible";
    for (const shape of ["1,3,70", "1,20,70", "64,20,70", "64,20,8"]) {
      const n = Number(shape.split(",")[2]);
      for (const byte of [0, 4 * n - 1]) {
        await expect(tried("test/rows broken", { shape, byte }), `${shape}: ${byte}`).rejects.toThrow(message);
      }
      await tried(`test/other rows ${shape}`, { shape, byte: 4 * n });
    }
  });
});

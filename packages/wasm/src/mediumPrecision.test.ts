import {
  blockFormats,
  checkpoint,
  Generator,
  init,
  type MatmulPrecision,
  matmul,
  packedTensor,
  randn,
  scope,
  setFloat32MatmulPrecision,
  square,
  sum,
  type Tensor,
  tensor,
  to,
} from "@lowrank/core";
import { dtypes } from "@lowrank/core/backend";
import { linearWithInt8Activations } from "@lowrank/core/internal";
import { Parameter } from "@lowrank/nn";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import { hasRelaxedSimd } from "./builds/loadBuild.ts";
import { type WasmBackend, wasm } from "./index.ts";
import { bareKernels } from "./testing/bareKernels.ts";
import { difference } from "./testing/sameOnBackends.ts";

const generator = new Generator(11);
const draw = (...shape: number[]): Tensor => randn(shape, { generator });

/** Blocks of q4_1: random codes, a scale of 2^-7 and a minimum of -2^-4. */
function blocksOf(out: number, from: number): Uint8Array {
  const bytes = Uint8Array.from({ length: (out * from * 20) / 32 }, (_, i) => (i * 2654435761) >>> 11);
  const halves = new Uint16Array(bytes.buffer);
  for (let at = 0; at < halves.length; at += 10) halves.set([0x2000 + (at % 512), 0xac00], at);
  return bytes;
}

const packed = (out: number, from: number, backend?: WasmBackend): Parameter =>
  new Parameter(packedTensor(blocksOf(out, from), { shape: [out, from], dtype: "q4_1", backend }));

/** Returns x Wᵀ and the gradient of x for the sum of its squares, under a precision. */
function under(precision: MatmulPrecision, x: Tensor, w: Parameter, product = matmul): [Float32Array, Float32Array] {
  setFloat32MatmulPrecision(precision);
  x.requiresGrad = true;
  x.grad = null;
  const y = product(x, w, { transposeB: true });
  sum(square(y)).backward();
  return [y.dataSync() as Float32Array, x.grad!.dataSync().slice() as Float32Array];
}

let backend: WasmBackend;
beforeAll(async () => {
  backend = await wasm();
  await backend.prepare?.("q4_1");
  await init(backend);
});
afterEach(() => setFloat32MatmulPrecision("highest"));

describe("products of medium precision", () => {
  it.each([
    ["f16", 40, 160, 192],
    ["f16", 9, 131, 256],
  ] as const)(
    "with a %s weight, of %i rows, are those of high, and gradients differ by codes",
    (dtype, rows, from, out) => {
      const x = draw(rows, from);
      const w = new Parameter(to(draw(out, from), { dtype }), { requiresGrad: false });
      const [exact, high, medium] = (["highest", "high", "medium"] as const).map((p) => under(p, x, w));
      expect(medium[0]).toEqual(high[0]);
      expect(difference(high[1], exact[1])).toBeLessThan(3e-4);
      // For normally distributed values a 7-bit step between the minimum and maximum of 32 is 4.1/127; a uniform error
      // is 0.29 of a step.
      expect(difference(medium[1], exact[1])).toBeLessThan(1.6e-2);
      expect(difference(medium[1], exact[1])).toBeGreaterThan(1e-3);
    },
  );

  it("with 4-bit codes round rows to 8 bits, but for blocks with outliers", () => {
    if (!hasRelaxedSimd()) return;
    const w = packed(192, 160);
    const even = draw(40, 160);
    const [exact, high, medium] = (["highest", "high", "medium"] as const).map((p) => under(p, even, w));
    // A step is 2.1/127 of a normally distributed value, with a uniform error of 0.29 steps; the middle of the codes
    // adds to it.
    expect(difference(medium[0], exact[0])).toBeLessThan(8e-3);
    expect(difference(medium[0], exact[0])).toBeGreaterThan(1e-3);
    expect(difference(medium[1], exact[1])).toBeLessThan(1.6e-2);
    expect(difference(high[0], exact[0])).toBeLessThan(6e-5);
    // The result of each row is dominated by its first block, which has 15 bits.
    const numbers = draw(40, 160)
      .dataSync()
      .map((v, i) => (i % 160 < 32 ? 1000 * v : v)) as Float32Array;
    const uneven = tensor(numbers, { shape: [40, 160] });
    expect(difference(under("medium", uneven, w)[0], under("highest", uneven, w)[0])).toBeLessThan(1e-4);
  });

  it("with a weight in f32 take fewer bits only where that is faster, and say it", async () => {
    const own = await wasm();
    expect(own.mediumKernels).toEqual({});
    const x = randn([32, 128], { generator, backend: own });
    const w = new Parameter(randn([160, 128], { generator, backend: own }), { requiresGrad: false });
    const [[, exact], [, high], [, medium]] = (["highest", "high", "medium"] as const).map((p) => under(p, x, w));
    const { weightBits } = own.mediumKernels;
    if (weightBits === 14) expect(medium).toEqual(high);
    else {
      expect(weightBits).toBe(7);
      expect(difference(medium, exact)).toBeGreaterThan(1e-3);
      expect(difference(medium, exact)).toBeLessThan(1.6e-2);
    }
  });

  it("computed again by a checkpoint are those of the forward pass", () => {
    const [x, w] = [draw(16, 160), packed(192, 160)];
    const again = checkpoint((a: Tensor) => matmul(a, w, { transposeB: true }));
    const [, once] = under("medium", x, w);
    expect(under("medium", x, w, (a) => again(a))[1]).toEqual(once);
  });

  it.each([...(["q4_1", "q4_k", "q5_0", "q5_1", "q5_k", "q6_k"] as const)])(
    "take 15 bits of rows for codes of few bits, %s, under high",
    async (dtype) => {
      if (!hasRelaxedSimd()) return;
      await backend.prepare?.(dtype);
      const x = draw(37, 256);
      const bytes = blockFormats[dtype].pack(draw(200, 256).dataSync() as Float32Array, "a weight");
      const w = new Parameter(packedTensor(bytes, { shape: [200, 256], dtype }));
      const [[exact], [high]] = (["highest", "high"] as const).map((p) => under(p, x, w));
      // A step is 2.1/16383 of a normally distributed value, with a uniform error of 0.29 steps.
      expect(difference(high, exact)).toBeLessThan(6e-5);
      expect(difference(high, exact)).toBeGreaterThan(1e-6);
    },
  );

  it("do not overflow where all codes and scales of q6_k are the largest", async () => {
    await backend.prepare?.("q6_k");
    const { bytes, halves } = blockFormats.q6_k.block;
    const blocks = new Uint8Array(128 * bytes);
    for (let at = 0; at < blocks.length; at += bytes) {
      // Codes of 0, which represent -32, scales of -128, and d, a 4096th.
      blocks.fill(128, at + 192, at + 208);
      blocks[at + halves[0] + 1] = 0x0c;
    }
    const w = new Parameter(packedTensor(blocks, { shape: [128, 256], dtype: "q6_k" }));
    for (const sign of [1, -1]) {
      const x = tensor(new Float32Array(9 * 256).fill(sign), { shape: [9, 256] });
      setFloat32MatmulPrecision("high");
      const products = [matmul(x, w, { transposeB: true }), linearWithInt8Activations(x, w)];
      for (const y of products) {
        for (const value of y.dataSync() as Float32Array) expect(Math.abs(value - sign * 256)).toBeLessThan(1e-3);
      }
    }
  });

  it.each([...(["q4_1", "q4_k", "q5_0", "q5_k"] as const)])(
    "take the codes of %s as they are stored, without a copy, where that is faster",
    async (dtype) => {
      const own = await wasm();
      await own.prepare?.(dtype);
      const bytes = blockFormats[dtype].pack(draw(256, 512).dataSync() as Float32Array, "a weight");
      const w = new Parameter(packedTensor(bytes, { shape: [256, 512], dtype, backend: own }));
      const x = randn([24, 512], { generator, backend: own });
      const { used } = own.heapStats();
      setFloat32MatmulPrecision("medium");
      x.requiresGrad = true;
      scope(() => sum(matmul(x, w, { transposeB: true })).backward());
      x.grad?.dispose();
      const kept = own.heapStats().used - used;
      const { nibbleSumBits } = own.mediumKernels;
      expect(hasRelaxedSimd() ? [16, 32] : [undefined]).toContain(nibbleSumBits);
      // One byte records that the weight is finite.
      if (nibbleSumBits === 16) expect(kept).toBeLessThan(1024);
      else expect(kept).toBeGreaterThanOrEqual(1.25 * 256 * 512);
    },
  );

  it.each([Number.NaN, Number.NEGATIVE_INFINITY])("are f32 where a row or a weight holds %d", (value) => {
    const [x, spoilt] = [draw(16, 160), draw(16, 160).dataSync().slice()];
    spoilt[100] = value;
    const bytes = blocksOf(192, 160);
    new Uint16Array(bytes.buffer)[10] = Number.isNaN(value) ? 0x7e00 : 0xfc00;
    const bad = new Parameter(packedTensor(bytes, { shape: [192, 160], dtype: "q4_1" }));
    const cases: [Tensor, Parameter][] = [
      [tensor(spoilt, { shape: [16, 160] }), packed(192, 160)],
      [x, bad],
    ];
    for (const [rows, w] of cases) expect(under("medium", rows, w)).toEqual(under("highest", rows, w));
  });

  it.each([
    ["as stored", true],
    ["in 7 bits", false],
  ])("have gradients of the same bits by one thread and by two, in both builds, %s", async (_, prepared) => {
    const numbers = draw(24, 320).dataSync().slice();
    const results = [];
    const chosen: unknown[] = [];
    for (const options of [{ threads: 1 }, { threads: 2, grain: 1 }, { build: "simd" as const }]) {
      const own = await wasm(options);
      if (prepared) await own.prepare?.("q4_1");
      // 0 and 1 are represented exactly; other values would be rounded differently by another build.
      const ones = tensor(new Float32Array(24 * 256).fill(1), { shape: [24, 256], backend: own });
      const dy = tensor(numbers.slice(0, 24 * 256), { shape: [24, 256], backend: own });
      const x = tensor(numbers, { shape: [24, 320], backend: own });
      x.requiresGrad = true;
      setFloat32MatmulPrecision("medium");
      matmul(x, packed(256, 320, own), { transposeB: true }).backward(dy);
      const first = x.grad!.dataSync().slice();
      x.grad = null;
      matmul(x, packed(256, 320, own), { transposeB: true }).backward(ones);
      results.push([...first, ...x.grad!.dataSync()]);
      chosen.push(prepared && own.mediumKernels.nibbleSumBits === 16 ? 4 : 7);
      own.dispose();
    }
    if (!prepared) expect(chosen).toEqual([7, 7, 7]);
    // A build without byte products uses 7 bits, and so does any other build on which 7 bits are faster.
    for (const i of [1, 2]) if (chosen[i] === chosen[0]) expect(results[i]).toEqual(results[0]);
    expect(chosen[2]).toBe(7);
  });
});

describe("kernels of products in bytes", () => {
  const [m, n, inner] = [7, 21, 96];
  /** Values; those selected by `isOutlier` are larger. */
  const rowsOf = (isOutlier: (row: number, column: number) => boolean): Float32Array =>
    Float32Array.from({ length: m * inner }, (_, i) => {
      return Math.sin(i * i) * (isOutlier(Math.floor(i / inner), i % inner) ? 40 : 1);
    });
  const uneven = rowsOf((_, column) => column % 32 === 5);
  const blocks = blocksOf(n, inner);

  /** Computes C with codes of one plane, of two, or mixed, with sums of 16 bits or 32. */
  async function product(
    name: "simd" | "relaxed",
    planes: 1 | 2 | 3,
    inShort: 0 | 1,
    numbers = uneven,
  ): Promise<number[]> {
    const { kernels: k, later, memory, heapBase } = await bareKernels(name, 16);
    let end = heapBase;
    const room = (bytes: number): number => {
      const at = Math.ceil(end / 64) * 64;
      end = at + bytes;
      return at;
    };
    const [x, w, out] = [room(4 * m * inner), room(blocks.length), room(4 * m * n)];
    const [codes, work] = [
      room(Math.max(k.int8RowsBytes(m, inner, 2), later.mixedRowsBytes(m, inner))),
      room(k.codesScratch()),
    ];
    new Float32Array(memory.buffer, x, numbers.length).set(numbers);
    new Uint8Array(memory.buffer, w, blocks.length).set(blocks);
    k.setShortSums(inShort);
    if (planes === 1) k.quantizeInt8(x, codes, m, inner, 1);
    else if (planes === 2) later.quantizeInt15(x, codes, m, inner, inShort);
    else later.quantizeMixed(x, codes, m, inner, inShort);
    k.linearInt8(codes, planes, w, dtypes.indexOf("q4_1"), out, m, n, inner, 0, n, work);
    return [...new Float32Array(memory.buffer, out, m * n)];
  }

  it("have the same bits by sums of 16 bits and of 32, with relaxed SIMD and without", async () => {
    const plain = await product("simd", 1, 0);
    expect(plain.some((v) => v !== 0)).toBe(true);
    if (!hasRelaxedSimd()) return;
    expect(await product("relaxed", 1, 0)).toEqual(plain);
    expect(await product("relaxed", 1, 1)).toEqual(plain);
    const wide = await product("relaxed", 2, 0);
    expect(await product("relaxed", 2, 1)).toEqual(wide);
    expect(difference(plain, wide)).toBeGreaterThan(1e-4);
  });

  it("have 15 bits for the blocks of four rows of which one has an outlier, and 8 for others", async () => {
    if (!hasRelaxedSimd()) return;
    const one = rowsOf((row, column) => row === 2 && column === 40);
    for (const inShort of [0, 1] as const) {
      const by = (planes: 1 | 2 | 3, numbers: Float32Array) => product("relaxed", planes, inShort, numbers);
      const even = rowsOf(() => false);
      expect(await by(3, even)).toEqual(await by(1, even));
      expect(await by(3, uneven)).toEqual(await by(2, uneven));
      const [bytes, wide, mixed] = [await by(1, one), await by(2, one), await by(3, one)];
      // The second four rows contain no outliers.
      expect(mixed.slice(4 * n)).toEqual(bytes.slice(4 * n));
      // In the first tile, the rows next to the outlier's row have their other two blocks in 8 bits.
      const [first, last] = [2 * n, 3 * n];
      const off = (found: number[]) => difference(found.slice(first, last), wide.slice(first, last));
      expect(off(mixed)).toBeGreaterThan(1e-6);
      expect(off(mixed)).toBeLessThan(off(bytes) / 4);
    }
    expect(await product("relaxed", 3, 0, one)).toEqual(await product("relaxed", 3, 1, one));
  });
});

import * as core from "@lowrank/core";
import { describe, expect, it } from "vitest";
import { wasm } from "./index.ts";

/** The distance to the next float; for subnormals the distance at the smallest normal. */
function unit(value: number): number {
  return 2 ** (Math.floor(Math.log2(Math.max(Math.abs(value), 2 ** -126))) - 23);
}

function bits(x: core.Tensor): Uint32Array {
  return new Uint32Array((x.dataSync() as Float32Array).buffer);
}

/** Functions with their exact values, an interval, and the largest error in units in the last place. */
const functions = [
  ["exp", core.exp, Math.exp, -103, 88.7, 1],
  ["log", core.log, Math.log, 1e-3, 4, 1],
  ["log", core.log, Math.log, 4, 3e38, 1],
  ["tanh", core.tanh, Math.tanh, -10, 10, 2],
  ["sigmoid", core.sigmoid, (x: number) => 1 / (1 + Math.exp(-x)), -80, 80, 2.5],
  ["silu", core.silu, (x: number) => x / (1 + Math.exp(-x)), -80, 80, 2.5],
  ["softplus", core.softplus, (x: number) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))), -80, 80, 3],
  ["sin", core.sin, Math.sin, -20, 20, 1],
  ["sin", core.sin, Math.sin, 1e6, 1e30, 1],
  ["cos", core.cos, Math.cos, -20, 20, 1],
  ["pow", (x: core.Tensor) => core.pow(x, 2.7), (x: number) => x ** Math.fround(2.7), 1e-6, 100, 1],
] as const;

describe.each(["simd", "relaxed"] as const)("kernels of the %s build", async (build) => {
  const backend = await wasm({ build });

  it.each(functions)("%s is within a few units in the last place", (_name, f, exact, low, high, most) => {
    const x = Float32Array.from({ length: 1 << 18 }, (_, i) => low + ((high - low) * i) / (1 << 18));
    const y = core.scope(() => f(core.tensor(x, { backend })).dataSync());
    let worst = 0;
    for (const [i, v] of x.entries()) worst = Math.max(worst, Math.abs(y[i] - exact(v)) / unit(exact(v)));
    expect(worst).toBeLessThanOrEqual(most);
  });

  it("exp has the bits that a number has alone, whatever stands beside it", () => {
    const values = [
      -Infinity,
      -200,
      -103.9,
      -87.4,
      -87.3,
      -87.2,
      -1,
      -0,
      0,
      1e-40,
      87.2,
      87.3,
      88.7,
      89,
      Infinity,
      NaN,
    ];
    const alone = values.map((x) => bits(core.exp(core.tensor([x], { backend })))[0]);
    for (const ordinary of [-30, 0.5]) {
      // A vector of each value next to ordinary values, at each of eight offsets.
      for (let at = 0; at < 8; at++) {
        for (const [i, x] of values.entries()) {
          const found = bits(
            core.exp(core.tensor(new Float32Array(16).fill(ordinary).fill(x, at, at + 1), { backend })),
          );
          expect(found[at]).toBe(alone[i]);
          expect(found[at ^ 1]).toBe(bits(core.exp(core.tensor([ordinary], { backend })))[0]);
        }
      }
    }
    // The low bits of a NaN are not an exponent.
    const odd = new Float32Array(Uint32Array.from({ length: 16 }, (_, i) => 0x7fc00001 + i).buffer);
    expect([...core.exp(core.tensor(odd, { backend })).dataSync()].every(Number.isNaN)).toBe(true);
  });

  it("erf and the GELUs are within 3e-7, as far as 32-bit cancellation allows", () => {
    const x = core.tensor(
      Float32Array.from({ length: 100_001 }, (_, i) => i / 10_000 - 5),
      { backend },
    );
    const exact = core.tensor(x.dataSync() as Float32Array, { backend: core.reference() });
    for (const f of [core.erf, core.gelu, core.geluTanh]) {
      const [y, e] = [f(x), f(exact)].map((t) => t.dataSync() as Float32Array);
      const worst = y.reduce((most, v, i) => Math.max(most, Math.abs(v - e[i]) / Math.max(1, Math.abs(e[i]))), 0);
      expect(worst).toBeLessThan(3e-7);
    }
  });

  it("an index out of range is an error that leaves no memory behind", () => {
    const x = core.ones([3, 4], { backend });
    const index = core.tensor(new Int32Array([0, 3]), { backend });
    const before = core.memory().buffers;
    expect(() => core.indexSelect(x, index, { dim: 0 })).toThrow(
      "indexSelect: index 3 is out of range for 3 entries; use 0..2",
    );
    expect(() => core.gather(x, index.reshape([2, 1]), { dim: 0 })).toThrow(
      "gather: index 3 is out of range for 3 entries",
    );
    expect(core.memory().buffers).toBe(before);
  });

  it("sums of many equal numbers do not drift", () => {
    const x = core.full([1 << 20], 0.1, { backend });
    expect(core.sum(x).itemSync()).toBe(Math.fround(Math.fround(0.1) * 2 ** 20));
    const rows = core.full([1 << 16, 16], 0.1, { backend });
    expect(core.sum(rows, { dim: 0 }).dataSync()[9]).toBe(Math.fround(Math.fround(0.1) * 2 ** 16));
  });
});

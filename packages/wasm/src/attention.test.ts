import { type AttentionParams, attention, tensor } from "@lowrank/core";
import { describe, expect, it } from "vitest";
import { backends, type Input, numbers, random, same } from "./testing/sameOnBackends.ts";

interface AttentionCase extends AttentionParams {
  b?: number;
  t: number;
  s: number;
  h: number;
  kv: number;
  d: number;
  mask?: (b: number, h: number, i: number, j: number) => boolean;
  maskShape?: number[];
}

const attentionCases: AttentionCase[] = [
  ...[8, 24, 32, 48, 64, 128, 1, 5, 7].map((d) => ({ t: 9, s: 9, h: 2, kv: 2, d, causal: true })),
  { b: 2, t: 1, s: 1, h: 1, kv: 1, d: 4, causal: true },
  { b: 2, t: 1, s: 70, h: 6, kv: 2, d: 16, causal: true },
  { b: 2, t: 3, s: 300, h: 4, kv: 1, d: 12, causal: true, keyLength: 290 },
  { b: 2, t: 1, s: 64, h: 3, kv: 3, d: 8, causal: true, keyLength: 1 },
  { b: 2, t: 200, s: 200, h: 2, kv: 1, d: 24, causal: true },
  { t: 100, s: 600, h: 2, kv: 2, d: 8, causal: true },
  { t: 20, s: 12, h: 2, kv: 2, d: 8, causal: true },
  { t: 97, s: 33, h: 3, kv: 1, d: 10, scale: 0.3 },
  { t: 130, s: 300, h: 2, kv: 1, d: 16, causal: true, window: 5 },
  { t: 3, s: 300, h: 2, kv: 1, d: 16, causal: true, window: 17, keyLength: 299 },
  { t: 40, s: 40, h: 4, kv: 2, d: 16, causal: true, softcap: 2 },
  { t: 4, s: 40, h: 4, kv: 2, d: 16, softcap: 2, mask: (_b, _h, _i, j) => j % 3 > 0, maskShape: [40] },
  { b: 2, t: 12, s: 12, h: 2, kv: 1, d: 8, causal: true, mask: (b, _h, _i, j) => j >= 4 * b, maskShape: [2, 1, 1, 12] },
  { b: 2, t: 5, s: 11, h: 4, kv: 2, d: 8, mask: (_b, h, i, j) => (h + i + j) % 2 > 0, maskShape: [4, 5, 11] },
  { b: 2, t: 2, s: 300, h: 4, kv: 2, d: 8, mask: (_b, h, _i, j) => j >= 270 + h, maskShape: [4, 1, 300] },
  { b: 2, t: 9, s: 9, h: 2, kv: 2, d: 8, mask: (b, _h, i) => b > 0 && i > 2, maskShape: [2, 1, 9, 9] },
];

describe("attention", () => {
  it.each(attentionCases)(
    "t $t s $s h $h/$kv d $d causal $causal window $window keys $keyLength $maskShape",
    async (c) => {
      const { b = 1, t, s, h, kv, d, mask, maskShape = [], causal, window, softcap, scale, keyLength } = c;
      const inputs = [random([b, t, h, d], 1), random([b, s, kv, d], 2), random([b, s, kv, d], 3)];
      if (mask) {
        const [mb, mh, mt, ms] = [...new Array(4 - maskShape.length).fill(1), ...maskShape];
        const data = new Uint8Array(mb * mh * mt * ms);
        for (let x = 0; x < data.length; x++) {
          const [j, i, head] = [x % ms, Math.floor(x / ms) % mt, Math.floor(x / ms / mt) % mh];
          data[x] = Number(mask(Math.floor(x / ms / mt / mh), head, i, j));
        }
        inputs.push({ shape: maskShape, data, dtype: "bool" } as Input as never);
      }
      const params = { causal, window, softcap, scale, keyLength };
      await same(inputs, ([q, k, v, m]) => attention(q, k, v, { ...params, mask: m }), 1e-5);
    },
  );

  it("stands scores beyond the range of exp, and lets NaN through", async () => {
    const inputs = [random([1, 9, 2, 8], 1, 60), random([1, 9, 2, 8], 2, 60), random([1, 9, 2, 8], 3)];
    await same(inputs, ([q, k, v]) => attention(q, k, v, { causal: true }), 1e-3);
    for (const rows of [2, 12]) {
      const q = numbers([1, rows, 1, 4], 4);
      q[4] = Number.NaN;
      const backend = backends.relaxed;
      const [k, v] = [5, 6].map((seed) => tensor(numbers([1, rows, 1, 4], seed), { shape: [1, rows, 1, 4], backend }));
      const out = attention(tensor(q, { shape: [1, rows, 1, 4], backend }), k, v, { causal: true }).dataSync();
      expect([...out].map(Number.isNaN)).toEqual([...out].map((_, i) => i >= 4 && i < 8));
    }
  });
});

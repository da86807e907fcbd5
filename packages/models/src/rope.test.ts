import { expect, it } from "vitest";
import { inverseFrequencies } from "./rope.ts";

it("frequencies fall from 1 to nearly 1 / theta", () => {
  expect(Array.from(inverseFrequencies({ theta: 10_000, scaling: null }, 4))).toEqual([1, Math.fround(0.01)]);
});

it("linear scaling divides all of them", () => {
  const plain = inverseFrequencies({ theta: 10_000, scaling: null }, 8);
  const scaled = inverseFrequencies({ theta: 10_000, scaling: { type: "linear", factor: 4 } }, 8);
  expect(Array.from(scaled)).toEqual(Array.from(plain, (f) => f / 4));
});

it("llama3 scaling keeps the fast ones, divides the slow ones and joins them smoothly", () => {
  const scaling = {
    ...{ type: "llama3" as const, factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 8192,
  };
  const plain = inverseFrequencies({ theta: 500_000, scaling: null }, 128);
  const ratios = inverseFrequencies({ theta: 500_000, scaling }, 128).map((f, i) => f / plain[i]);
  expect(ratios[0]).toBe(1);
  expect(ratios[63]).toBeCloseTo(1 / 8, 6);
  const between = ratios.filter((r) => r > 0.126 && r < 0.999);
  expect(between.length).toBeGreaterThan(3);
  expect(Array.from(between)).toEqual(Array.from(between).sort((a, b) => b - a));
});

/** Little-endian f32 of torch 2.15, by transformers' formulas; the scaling is Llama 3.1's. */
const recorded = [
  {
    theta: 100000,
    headDim: 64,
    plain:
      "AACAPwalMj/PU/k+//ytPiPUcj4JdCk+1n/sPVYJpT3CVWY9HbwgPdJU4DyXi5w88ntaPAV3GDwVytQ7rn2UOzg+TzvbnhA7XNfJOtvZjDqMlEQ6Ai4JOtd0vzmpmoU5U3c6OSsfAjkbm7U41HV9OFLfMDiW2vY3HUOsN21rcDc=",
    llama3:
      "AACAPwalMj/PU/k+//ytPiPUcj4JdCk+1n/sPVYJpT3CVWY9HbwgPdJU4DyXi5w88ntaPAV3GDwVytQ7rn2UOzg+TzuLg8I6IB0pOvpUiDmMlMQ4Ai6JONd0PzipmgU4U3e6NysfgjcbmzU31HX9NlLfsDaW2nY2HUMsNm1r8DU=",
  },
  {
    theta: 10000,
    headDim: 80,
    plain:
      "AACAPxhZSz9rhiE/zk0AP7TUyz6b6KE+zJuAPptQTD4GSyI++ukAPs3MzD2traI9VTiBPUtJTT2RECM944YBPRPGzTyuc6M8oNWBPCpDTjwK1yM8jCQCPInAzjujOqQ7pHOCOzg+Tzt4niQ78cICOzK8zzqEAqU6bxKDOno6UDrUZiU6HGIDOge50Dlgy6U5+rGDOeg3UTkoMCY5BAIEOQ==",
    llama3:
      "AACAPxhZSz9rhiE/zk0AP7TUyz6b6KE+zJuAPptQTD4GSyI++ukAPs3MzD2traI9VTiBPUtJTT2RECM944YBPRPGzTyuc6M8oNWBPCpDTjwK1yM8jCQCPInAzjujOqQ7pHOCOzg+Tzv9zgE7r9eaOgooNTp/+s052ftfOdSL4TjUZqU4HGKDOAe5UDhgyyU4+rEDOOg30TcoMKY3BAKENw==",
  },
];

it.each(recorded)("theta $theta, head size $headDim: transformers' frequencies, to the bit", (golden) => {
  const base64 = (numbers: Float32Array) => btoa(String.fromCharCode(...new Uint8Array(numbers.buffer)));
  const { theta, headDim } = golden;
  const scaling = {
    ...{ type: "llama3" as const, factor: 8, lowFreqFactor: 1, highFreqFactor: 4 },
    originalMaxPositionEmbeddings: 8192,
  };
  expect(base64(inverseFrequencies({ theta, scaling: null }, headDim))).toBe(golden.plain);
  expect(base64(inverseFrequencies({ theta, scaling }, headDim))).toBe(golden.llama3);
});

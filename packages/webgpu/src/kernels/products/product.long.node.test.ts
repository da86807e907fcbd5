import { matmul, tensor } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type WebGpuBackend, webgpu } from "../../index.ts";
import { tiles } from "../../kernel/tiles.ts";
import { soft, tileCases } from "../../testing/productCases.ts";
import { checkProduct, forcedProduct, type ProductCase } from "../../testing/productTests.ts";
import { cutOf } from "./cut.ts";

const sizesOf = ({ a, w, transposeA = false, transposeB = false }: ProductCase) => {
  const [m, k] = transposeA ? [a[a.length - 1], a[a.length - 2]] : [a[a.length - 2], a[a.length - 1]];
  const n = w[w.length - (transposeB ? 2 : 1)];
  return { m, n, k, batches: a.length > 2 ? a[0] : 1, transposeB };
};

it("cuts products as the cases below say", () => {
  for (const [name, given] of Object.entries(tileCases)) expect(cutOf(sizesOf(given), given).tile).toBe(name);
  expect(Object.keys(tileCases)).toEqual(Object.keys(tiles));
});

describe("the parts of long sums", () => {
  const cut = (m: number, n: number, k: number, software = false) =>
    cutOf({ m, n, k, batches: 1, transposeB: false }, { software, tile: "staged 8x4", batchInvariant: false });

  it("are whole sixteens, at least a hundred terms, and all terms", () => {
    for (const k of [255, 256, 300, 1000, 5000]) {
      const { parts, each } = cut(8, 576, k);
      expect(parts * each, `k = ${k}`).toBeGreaterThanOrEqual(k);
      expect((parts - 1) * each).toBeLessThan(k);
      if (parts > 1) expect(each % 16).toBe(0);
    }
    expect(cut(8, 576, 255).parts).toBe(1);
    expect(cut(8, 576, 1024).parts).toBe(8);
  });

  it("are one where there is enough to do", () => {
    expect(cut(4096, 4096, 4096).parts).toBe(1);
    expect(cut(1024, 1024, 1024, true).parts).toBe(1);
  });
});

describe("the sums of the batch-invariant mode", () => {
  const cut = (m: number, k: number, software: boolean) =>
    cutOf({ m, n: 576, k, batches: 1, transposeB: true }, { software, tile: "staged 8x4", batchInvariant: true });

  it("have parts by their length alone, in whichever way these are added up", () => {
    for (const software of [false, true]) {
      for (const m of [1, 3, 17, 5000]) {
        expect(cut(m, 256, software)).toMatchObject({ parts: 1, each: 256, blocks: false });
        const { parts, each, blocks } = cut(m, 1000, software);
        expect(each).toBe(256);
        expect(parts).toBe(blocks ? 1 : 4);
        expect(blocks).toBe(m === 5000 || (software && m === 17));
      }
    }
  });

  it("are never shared by threads", () => {
    for (const m of [1, 2, 4]) expect(tiles[cut(m, 1000, false).tile].lanes).toBe(1);
  });
});

describe.skipIf(noWebGpu)("products", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ kernels: [forcedProduct] });
  });
  afterAll(() => backend?.dispose());

  for (const [name, given] of Object.entries(tileCases)) {
    // Tiles whose threads wait for each other are slow on a CPU device.
    if (given.software) it(`in the tile "${name}"`, () => checkProduct(backend, given));
  }

  it("of long sums in parts", async () => {
    await checkProduct(backend, { ...soft, a: [1037, 6], w: [1037, 21], transposeA: true });
    await checkProduct(backend, { ...soft, a: [5, 530], w: [530, 17], ending: "scaled" });
    await checkProduct(backend, { ...soft, a: [20, 512], w: [18, 512], transposeB: true, ending: "added" });
  });

  it("of more tiles than a dimension has workgroups", () =>
    checkProduct(backend, { ...soft, mostGroups: 2, a: [3, 130, 5], w: [3, 5, 330] }));

  it("broadcast batches", () => checkProduct(backend, { ...soft, a: [2, 1, 5, 6], w: [3, 6, 7] }));

  it("keep infinities and NaN to their rows and columns", async () => {
    const [m, n, k] = [6, 5, 7];
    const a = new Float32Array(m * k).fill(1);
    const w = new Float32Array(k * n).fill(1);
    a[m * k - 1] = Number.NaN;
    a[3 * k - 1] = Number.POSITIVE_INFINITY;
    w[n * k - 1] = Number.NEGATIVE_INFINITY;
    const [x, y] = [tensor(a, { shape: [m, k], backend }), tensor(w, { shape: [k, n], backend })];
    const found = Array.from(await matmul(x, y).data());
    for (const [i, v] of found.entries()) {
      const [row, column] = [Math.floor(i / n), i % n];
      const last = column === n - 1;
      const finite = last ? Number.NEGATIVE_INFINITY : k;
      const wanted = row === 5 ? Number.NaN : row === 2 ? (last ? Number.NEGATIVE_INFINITY : Infinity) : finite;
      expect(v, `[${row}, ${column}]`).toBe(wanted);
    }
  });
});

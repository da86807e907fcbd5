import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, it } from "vitest";
import { type WebGpuBackend, webgpu } from "../index.ts";
import { edgeProducts, hard, invariantProducts, storedCases, tileCases } from "../testing/productCases.ts";
import { checkProduct, forcedProduct } from "../testing/productTests.ts";

describe.skipIf(noWebGpu)("products as a graphics processor makes them", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ kernels: [forcedProduct] });
  });
  afterAll(() => backend?.dispose());
  const gpu = hard("staged 8x4");

  for (const [name, given] of Object.entries(tileCases)) {
    if (!given.software) it(`in the tile "${name}"`, () => checkProduct(backend, given));
  }

  for (const one of edgeProducts) {
    it(`that end elsewhere, [${one.a}] and [${one.w}]${one.ending ? `, ${one.ending}` : ""}`, () => {
      return checkProduct(backend, one);
    });
  }

  for (const one of invariantProducts) {
    it(`part by part, [${one.a}] and [${one.w}], ${one.software ? "on a processor" : "on a device"}`, () => {
      return checkProduct(backend, one);
    });
  }

  it("of long sums in parts", async () => {
    await checkProduct(backend, { ...gpu, a: [5, 530], w: [530, 17], ending: "scaled" });
    await checkProduct(backend, { ...gpu, a: [20, 400], w: [18, 400], transposeB: true, ending: "added" });
  });

  it("of more tiles than a dimension has workgroups", () =>
    checkProduct(backend, { ...gpu, mostGroups: 2, a: [3, 70, 5], w: [3, 5, 140] }));

  it("broadcast batches", () => checkProduct(backend, { ...gpu, a: [3, 2, 5, 8], w: [2, 9, 8], transposeB: true }));

  for (const one of storedCases) {
    if (!one.software) it(`with a weight stored as ${one.stored}, [${one.w}]`, () => checkProduct(backend, one));
  }
});

import { storedWeights } from "@lowrank/core/testing";
import { afterAll, beforeAll, describe, it } from "vitest";
import { noWebGpu } from "../../../../../scripts/webgpuTests.ts";
import { type WebGpuBackend, webgpu } from "../../index.ts";
import { soft } from "../../testing/productCases.ts";
import { checkProduct, forcedProduct } from "../../testing/productTests.ts";

describe.skipIf(noWebGpu)("products with weights stored as", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ kernels: [forcedProduct] });
  });
  afterAll(() => backend?.dispose());

  for (const stored of Object.keys(storedWeights)) {
    it(stored, async () => {
      await checkProduct(backend, { ...soft, a: [21, 96], w: [37, 96], transposeB: true, stored });
      await checkProduct(backend, { ...soft, a: [2, 37], w: [37, 96], stored });
    });
  }

  it("nf4 of rows that are no whole fours", () =>
    checkProduct(backend, { ...soft, a: [9, 33], w: [18, 33], transposeB: true, stored: "nf4" }));
});

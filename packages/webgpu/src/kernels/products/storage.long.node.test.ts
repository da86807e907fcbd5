import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, beforeAll, describe, it } from "vitest";
import { type WebGpuBackend, webgpu } from "../../index.ts";
import { storedCases } from "../../testing/productCases.ts";
import { checkProduct, forcedProduct } from "../../testing/productTests.ts";

describe.skipIf(noWebGpu)("products with weights stored as", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ kernels: [forcedProduct] });
  });
  afterAll(() => backend?.dispose());

  for (const one of storedCases) {
    // The tiles for graphics processors are slow on a CPU device.
    if (one.software) it(`${one.stored} of [${one.w}]`, () => checkProduct(backend, one));
  }
});

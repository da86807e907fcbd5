import { storedWeights, testBatchInvariance } from "@lowrank/core/testing";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDevice } from "./device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "./index.ts";
import { hard, soft } from "./testing/productCases.ts";
import { checkSameRows, forcedProduct } from "./testing/productTests.ts";
import { watchedDevice } from "./testing/watchedDevice.ts";

describe.skipIf(noWebGpu)("webgpu in the batch-invariant mode", async () => {
  if (noWebGpu !== undefined) return;
  const backend = await webgpu({ batchInvariant: true });
  afterAll(() => backend.dispose());

  it("says so", () => expect(backend.batchInvariant).toBe(true));

  for (const { name, run } of testBatchInvariance(backend, 3)) it(name, run);
});

/** Row counts around the sizes of tiles, and a range of those rows. */
const parts = fc.tuple(
  fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 21, max: 150 })),
  fc.nat(),
  fc.nat(),
);

const products = fc.record({
  part: parts.map(([m, a, b]) => ({ m, first: a % m, count: 1 + (b % (m - (a % m))) })),
  n: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(64, 97)),
  k: fc.constantFrom(32, 96, 256, 288, 544, 576, 800),
  // Rows of some formats consist of whole blocks.
  odd: fc.integer({ min: 0, max: 3 }),
  transposeA: fc.boolean(),
  transposeB: fc.boolean(),
  ending: fc.constantFrom("sum" as const, "scaled" as const, "added" as const),
  stored: fc.constantFrom(undefined, undefined, ...Object.keys(storedWeights)),
});

describe.skipIf(noWebGpu)("products in the batch-invariant mode", () => {
  let backend: WebGpuBackend;
  beforeAll(async () => {
    backend = await webgpu({ kernels: [forcedProduct] });
  });
  afterAll(() => backend?.dispose());

  const property = (facts: typeof soft) =>
    fc.asyncProperty(products, async ({ part, n, k, odd, transposeA, transposeB, ending, stored }) => {
      const terms = stored === undefined ? k + odd : k;
      const columns = stored !== undefined && !transposeB ? 96 : n;
      const a = transposeA ? [terms, part.m] : [part.m, terms];
      const w = transposeB ? [columns, terms] : [terms, columns];
      await checkSameRows(backend, { ...facts, a, w, transposeA, transposeB, ending, stored }, part);
    });

  // Tiles whose threads wait for each other are slow on a CPU device.
  const kinds = [
    ["on a processor", soft, 25],
    ["on a device", hard("staged 8x4"), 8],
  ] as const;
  it.each(kinds)(
    "give rows the same bits alone and among others, %s",
    { timeout: 120_000 },
    async (_, facts, numRuns) => {
      await fc.assert(property({ ...facts, batchInvariant: true }), { numRuns });
    },
  );

  it.each([soft, hard("staged 8x4")])("do not without the mode: %o", async (facts) => {
    const given = { ...facts, a: [100, 576], w: [300, 576], transposeB: true };
    const check = (batchInvariant: boolean) =>
      checkSameRows(backend, { ...given, batchInvariant }, { first: 3, count: 1 });
    await check(true);
    await expect(check(false)).rejects.toThrow("row 3 has other bits among all rows than among 1");
  });
});

describe.skipIf(noWebGpu)("an adapter that does not keep the order of sums", () => {
  it("is refused", async () => {
    const { device } = await openDevice({});
    // Changes one tile of several, like a driver that fuses operations only there.
    const change = (code: string, name: string) =>
      name.startsWith("product, direct tall") ? code.replaceAll("var s0_0 = 0.0;", "var s0_0 = 1e-4;") : code;
    const changed = Object.assign(watchedDevice(device, { change }), {});
    Object.defineProperty(changed, "adapterInfo", { value: { description: "SwiftShader, changed" } });
    await expect(webgpu({ device: changed, batchInvariant: true })).rejects.toThrow(
      "webgpu: on SwiftShader, changed, a row of a matrix product depends on the other rows, so batchInvariant is not possible; leave batchInvariant out",
    );
    device.destroy();
  });
});

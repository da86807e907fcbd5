import { amax, rmsNorm, tensor } from "@lowrank/core";
import { noWebGpu } from "@lowrank/test-support/webgpu";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { openDevice } from "./device/openDevice.ts";
import { type WebGpuBackend, webgpu } from "./index.ts";
import { edgeCases } from "./testing/edgeCases.ts";
import { checkFused, fusedCases } from "./testing/fusedCases.ts";
import { playSubgroups, type Subgroups } from "./testing/playSubgroups.ts";
import { tileCases } from "./testing/productCases.ts";
import { checkProduct, forcedProduct } from "./testing/productTests.ts";
import { watchedDevice } from "./testing/watchedDevice.ts";

/** Work whose threads join values, in rows that are long enough for more than one thread. */
const joining = /(Norm|oftmax|max|topk) of 200|of 200, mean|pagedAttention with|gradNorm|attention 2x[13]x.*[}]$/;

const ways: readonly Subgroups[] = [
  { size: 4, scattered: false },
  { size: 8, scattered: true },
  { size: 16, scattered: true },
  { size: 32, scattered: false },
  { size: 64, scattered: true },
  { size: 128, scattered: false },
];

const tiles = ["along 1", "along 2", "along 4"] as const;

type Test = readonly [name: string, run: () => Promise<void>];

/** The tests of such work, by name. */
function testsOn(backend: WebGpuBackend): Test[] {
  const fused = [...fusedCases, ...edgeCases].filter(({ name }) => joining.test(name));
  return [
    ...fused.map((one): Test => [one.name, () => checkFused(backend, one)]),
    ...tiles.map((tile): Test => [tile, () => checkProduct(backend, tileCases[tile])]),
    ["sum and amax", () => checkReductions(backend)],
  ];
}

/** Throws unless a sum and a maximum of many values are right. */
async function checkReductions(backend: WebGpuBackend): Promise<void> {
  const numbers = Array.from({ length: 3 * 1000 }, (_, i) => ((i * 37) % 1009) - 500);
  const x = tensor(numbers, { shape: [3, 1000], backend });
  const rows = [0, 1, 2].map((row) => numbers.slice(1000 * row, 1000 * (row + 1)));
  expect([...(await x.sum({ dim: 1 }).data())]).toEqual(rows.map((row) => row.reduce((a, b) => a + b)));
  expect([...(await amax(x, { dim: 1 }).data())]).toEqual(rows.map((row) => Math.max(...row)));
}

describe.skipIf(noWebGpu)("what threads join", () => {
  let device: GPUDevice;
  beforeAll(async () => {
    ({ device } = await openDevice({}));
  });
  afterAll(() => device?.destroy());

  /** Runs all tests; returns the names of the kernels that used subgroups. */
  async function runAll(subgroups: boolean, change: (code: string) => string): Promise<Set<string>> {
    const used = new Set<string>();
    const ran = (code: string, name: string) => {
      if (code.includes("enable subgroups;")) used.add(name);
    };
    const watched = watchedDevice(device, { change, ran });
    const backend = await webgpu({ device: watched, subgroups, kernels: [forcedProduct] });
    for (const [name, run] of testsOn(backend)) {
      await run().catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`, { cause: error });
      });
    }
    return used;
  }

  it("is the reference's without subgroups", { timeout: 120_000 }, async () => {
    expect(await runAll(false, (code) => code)).toEqual(new Set());
  });

  it.each(ways)(
    "is the reference's in subgroups of $size, scattered: $scattered",
    { timeout: 120_000 },
    async (way) => {
      const used = await runAll(true, (code) => playSubgroups(code, way));
      expect(used.size).toBeGreaterThan(12);
    },
  );
});

describe.skipIf(noWebGpu)("subgroups that give wrong numbers", () => {
  afterEach(() => vi.restoreAllMocks());

  it.each(["subgroupAdd(joined)", "subgroupMax(joined)", "subgroupExclusiveAdd(1u)"])(
    "are not used: %s",
    async (call) => {
      const warn = vi.spyOn(console, "warn").mockReturnValue();
      const { device } = await openDevice({});
      const change = (code: string) => code.replaceAll(call, `(${call} + 1)`);
      const watched = watchedDevice(device, { change });
      const description = `SwiftShader without ${call}`;
      Object.defineProperty(watched, "adapterInfo", { value: { description } });
      const backend = await webgpu({ device: watched });
      expect(backend.subgroups).toBe(false);
      const message = `webgpu: subgroups compute wrong values on ${description}; kernels do without them`;
      expect(warn.mock.calls).toEqual([[message]]);
      const [x, w] = [tensor([new Array(64).fill(2)], { backend }), tensor(new Array(64).fill(1), { backend })];
      expect((await rmsNorm(x, w, { eps: 0 }).data())[0]).toBeCloseTo(1, 5);
      const untried = await webgpu({ device: watched, subgroups: true });
      expect(untried.subgroups).toBe(true);
      device.destroy();
    },
  );

  it("nor are those of several sizes in the batch-invariant mode", async () => {
    const { device } = await openDevice({});
    const named = (info: object) => {
      const watched = watchedDevice(device, { change: (code) => code });
      Object.defineProperty(watched, "adapterInfo", { value: { description: "SwiftShader", ...info } });
      return watched;
    };
    const inMode = async (info: object) => (await webgpu({ device: named(info), batchInvariant: true })).subgroups;
    expect(await inMode({ subgroupMinSize: 4, subgroupMaxSize: 4 })).toBe(true);
    expect(await inMode({ subgroupMinSize: 4, subgroupMaxSize: 8 })).toBe(false);
    expect(await inMode({})).toBe(false);
    device.destroy();
  });
});

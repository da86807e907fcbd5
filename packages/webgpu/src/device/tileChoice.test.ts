import { describe, expect, it } from "vitest";
import type { Gpu, GpuTensor } from "../kernel/kernel.ts";
import type { TileName } from "../kernel/tiles.ts";
import { TileChoice, trialOf } from "./tileChoice.ts";

/** A device on which each tile takes the given milliseconds, and the tiles that were tried on it. */
function clock(times: Partial<Record<TileName, number>>) {
  const tried: TileName[] = [];
  const timeOf = async (tile: TileName): Promise<number> => {
    const first = !tried.includes(tile);
    tried.push(tile);
    return (times[tile] ?? 10) + (first ? 100 : 0);
  };
  return { tried, timeOf };
}

const hardware = (name: string) => new TileChoice({ name, software: false }, false);

describe("the tile of large products", () => {
  it("is fixed where a processor plays the device", async () => {
    const { tried, timeOf } = clock({});
    const choice = new TileChoice({ name: "test/software", software: true }, false);
    await choice.measure(timeOf);
    expect(choice.tile).toBe("direct 8x4");
    expect(tried).toEqual([]);
  });

  it("is the usual one until it is measured, then the fastest, without the time to compile", async () => {
    const { tried, timeOf } = clock({ "staged 8x8": 4 });
    const choice = hardware("test/fast 8x8");
    expect(choice.tile).toBe("staged 8x4");
    await choice.measure(timeOf);
    expect(choice.tile).toBe("staged 8x8");
    expect(new Set(tried).size).toBe(6);
  });

  it("is measured once for an adapter, and known to later devices on it", async () => {
    await hardware("test/once").measure(clock({ "direct 4x4": 1 }).timeOf);
    const later = hardware("test/once");
    expect(later.tile).toBe("direct 4x4");
    const { tried, timeOf } = clock({});
    await later.measure(timeOf);
    expect(tried).toEqual([]);
    expect(hardware("test/another").tile).toBe("staged 8x4");
  });

  it("is the usual one, unmeasured, where it is to be fixed", async () => {
    await hardware("test/fixed").measure(clock({ "direct 4x4": 1 }).timeOf);
    const { tried, timeOf } = clock({ "staged 8x8": 4 });
    const choice = new TileChoice({ name: "test/fixed", software: false }, true);
    await choice.measure(timeOf);
    expect(choice.tile).toBe("staged 8x4");
    expect(tried).toEqual([]);
  });

  it("stays the usual one where another is hardly faster", async () => {
    const choice = hardware("test/close");
    await choice.measure(clock({ "staged 4x4": 9.7 }).timeOf);
    expect(choice.tile).toBe("staged 8x4");
  });
});

it("a trial is one product in whole sums, several times", () => {
  const spec = (shape: readonly number[]): GpuTensor => ({
    ...{ shape, dtype: "f32", size: shape.reduce((a, b) => a * b, 1), buffer: { bytes: 0 } as GpuTensor["buffer"] },
  });
  const limits = { maxComputeWorkgroupsPerDimension: 65535, maxStorageBufferBindingSize: 2 ** 27 };
  const gpu = {
    features: new Set(),
    software: false,
    limits,
    scratch: ({ shape }: { shape: number[] }) => spec(shape),
  };
  for (const tile of ["staged 8x8", "direct 4x4"] as const) {
    const runs = trialOf(tile, { ...gpu, tile } as unknown as Gpu);
    expect(runs.map(({ shader }) => shader.name)).toEqual(Array(4).fill(`product, ${tile}, f32`));
  }
});

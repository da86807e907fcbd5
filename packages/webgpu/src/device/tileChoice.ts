import type { Gpu, GpuTensor } from "../kernel/kernel.ts";
import type { Dispatch } from "../kernel/shader.ts";
import type { TileName } from "../kernel/tiles.ts";
import { product } from "../kernels/products/product.ts";
import type { AdapterFacts } from "./openDevice.ts";

/** The tiles to time for large matrix products; the first is the default. */
const candidates: readonly TileName[] = [
  ...(["staged 8x4", "staged 8x8", "staged 4x4"] as const),
  ...(["direct 8x4", "direct 8x8", "direct 4x4"] as const),
];

/**
 * The tile for devices that run on the CPU. It reads operands directly, without copies in workgroup memory, since
 * waiting for other threads is expensive on a CPU.
 */
const softwareTile: TileName = "direct 8x4";

/** The timed product is [side, terms] by [terms, side]; one trial runs it `repeats` times. */
const [side, terms, repeats] = [2048, 512, 4];

/** Number of trials of each tile. The first is not counted, since it includes compilation. */
const rounds = 4;

/** A tile replaces the default tile only if it is faster by at least this factor. */
const advantage = 1.05;

/** The fastest tile by adapter name, measured once per process. */
const found = new Map<string, TileName>();

/** Chooses the tile for large matrix products on a device. */
export class TileChoice {
  readonly #adapter: AdapterFacts;
  readonly #measured: boolean;
  #tile: TileName;

  /**
   * If the adapter runs on the CPU, or if `fixed` is true (batch-invariant mode), `measure` does nothing, and the tile
   * is a default.
   */
  constructor(adapter: AdapterFacts, fixed: boolean) {
    this.#adapter = adapter;
    this.#measured = !adapter.software && !fixed;
    const known = this.#measured ? found.get(adapter.name) : undefined;
    this.#tile = adapter.software ? softwareTile : (known ?? candidates[0]);
  }

  get tile(): TileName {
    return this.#tile;
  }

  /**
   * Measures which tile is the fastest on this adapter, unless this process has measured it before. `timeOf` runs one
   * trial and returns its milliseconds.
   */
  async measure(timeOf: (tile: TileName) => Promise<number>): Promise<void> {
    const { name } = this.#adapter;
    if (!this.#measured) return;
    if (!found.has(name)) {
      const best = new Map<TileName, number>();
      for (let round = 0; round < rounds; round++) {
        for (const tile of candidates) {
          const time = await timeOf(tile);
          if (round > 0) best.set(tile, Math.min(time, best.get(tile) ?? Number.POSITIVE_INFINITY));
        }
      }
      const [usual] = candidates;
      const fastest = candidates.reduce((a, b) => ((best.get(b) as number) < (best.get(a) as number) ? b : a));
      const clearly = (best.get(fastest) as number) * advantage < (best.get(usual) as number);
      found.set(name, clearly ? fastest : usual);
    }
    this.#tile = found.get(name) as TileName;
  }
}

/** Returns the dispatches of one trial of a tile: the same product several times, on scratch memory. */
export function trialOf(tile: TileName, gpu: Gpu): readonly Dispatch[] {
  const zeros = (rows: number, columns: number): GpuTensor => gpu.scratch({ shape: [rows, columns], dtype: "f32" });
  const [a, w, out] = [zeros(side, terms), zeros(terms, side), zeros(side, side)];
  const runs = product({ a, w, out, m: side, n: side, k: terms }, { ...gpu, tile });
  return Array.from({ length: repeats }, () => runs).flat();
}

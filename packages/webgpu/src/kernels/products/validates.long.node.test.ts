import { randn, reference } from "@lowrank/core";
import { storedWeights, wideStoredWeights } from "@lowrank/core/testing";
import { expect, it } from "vitest";
import { create } from "webgpu";
import { type TileName, tiles } from "../../kernel/tiles.ts";
import { blockCode } from "../../wgsl/blocks.ts";
import { registerBlockFormats } from "../../wgsl/packed.ts";
import type { Storage } from "./operand.ts";
import { type Ending, type ProductKind, tiled } from "./tiled.ts";

/** Kept alive, since Dawn crashes if its `GPU` object is collected before its devices. */
const gpu = create(["backend=null"]);

const storages: readonly Storage[] = [
  ...(["f32", "f16", "bf16", "native f16", "nf4", "nf4 nested", "fp4", "fp4 nested"] as const),
  ...(["q4_0", "q4_1", "q8_0", "q5_0", "q5_1", "q4_k", "q5_k", "q6_k"] as const),
];

it("every kernel of products is valid, those for f16 too", async () => {
  const adapter = (await gpu.requestAdapter()) as GPUAdapter;
  const device = await adapter.requestDevice({ requiredFeatures: ["shader-f16", "subgroups"] });
  // A format is registered when the first tensor in it is created.
  registerBlockFormats(blockCode);
  for (const store of Object.values({ ...storedWeights, ...wideStoredWeights })) {
    store(randn([256], { backend: reference() })).dispose();
  }
  const errors: string[] = [];
  let count = 0;
  const check = async (...args: ProductKind): Promise<void> => {
    const { code: plain, subgroupCode, name } = tiled(...args);
    for (const code of new Set([plain, subgroupCode])) {
      const { messages } = await device.createShaderModule({ code }).getCompilationInfo();
      count++;
      for (const { type, message, lineNum } of messages) {
        if (type === "error") errors.push(`${name}, ${args}: ${message}: ${code.split("\n")[lineNum - 1]}`);
      }
    }
  };
  const flags = [false, true];
  for (const tile of Object.keys(tiles) as TileName[]) {
    for (const [transposeA, transposeB] of flags.flatMap((a) => flags.map((b) => [a, b]))) {
      for (const storage of storages) {
        await check(tile, storage, transposeA, transposeB, true, true, false, 0, "sum", false);
      }
      for (const storage of storages.filter((one) => one !== "native f16")) {
        await check(tile, storage, transposeA, transposeB, false, false, true, 0, "added", tiles[tile].lanes === 1);
      }
      await check(tile, "f32", transposeA, transposeB, true, false, false, 2, "scaled" satisfies Ending, false);
    }
  }
  expect(errors).toEqual([]);
  expect(count).toBeGreaterThan(1000);
  device.destroy();
});

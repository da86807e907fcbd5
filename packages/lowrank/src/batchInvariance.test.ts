import { wasm } from "@lowrank/wasm";
import { it } from "vitest";
import { checkSameLogits, kinds } from "./testing/sameLogits.ts";

it.each(kinds.flatMap((kind) => [1, 2].map((threads) => [kind, threads] as const)))(
  "a model gives a row the same logits alone and in any batch: %s, threads: %i",
  async (kind, threads) => checkSameLogits(await wasm({ threads, grain: 1, batchInvariant: true }), kind),
);

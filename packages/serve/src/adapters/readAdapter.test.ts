import { expect, it } from "vitest";
import { type AdapterContent, freeWeights, isFreed } from "./readAdapter.ts";

const contentOf = (weights: Uint8Array<ArrayBuffer>): AdapterContent => ({
  ...{ version: "v", config: "{}", configHash: "h", weights, files: new Map() },
  folder: {
    ...{ path: "a", state: "1" },
    config: { name: "adapter_config.json", size: 2, tag: "1" },
    weights: { name: "adapter_model.safetensors", size: weights.length, tag: "1" },
  },
});

it("frees bytes that have a buffer to themselves, and no others", () => {
  const own = contentOf(new Uint8Array(16));
  freeWeights(own);
  expect(isFreed(own)).toBe(true);
  const pool = new Uint8Array(64).fill(7);
  const part = contentOf(pool.subarray(16, 32));
  freeWeights(part);
  expect(isFreed(part)).toBe(false);
  expect([...pool]).toEqual(new Array(64).fill(7));
});

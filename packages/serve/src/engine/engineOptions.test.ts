import { init, reference } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { beforeAll, expect, test } from "vitest";
import { tinyLlama } from "../testing/tinyModel.ts";
import { type EngineOptions, engineSizes } from "./engineOptions.ts";

let model: CausalLM;
beforeAll(async () => {
  await init(reference());
  model = tinyLlama();
});

const sizes = (options: Partial<EngineOptions> = {}) => engineSizes(options as EngineOptions, model);
/** Bytes of a block: keys and values of 2 layers with 2 heads of 4, in f32, of 16 tokens. */
const block = 2 * 2 * 2 * 4 * 4 * 16;

test("an engine has vLLM's names and the documented defaults", () => {
  expect(sizes()).toEqual({
    ...{ maxNumSeqs: 64, maxNumBatchedTokens: 128, blockSize: 16, numBlocks: 64 * 4, maxModelLen: 64 },
    ...{ maxLogprobs: 20, maxQueue: 1024 },
  });
});

test("a pass has a row for each sequence, and 128 at least", () => {
  const rows = (maxNumSeqs: number) => sizes({ maxNumSeqs }).maxNumBatchedTokens;
  expect([1, 127, 128, 129, 200].map(rows)).toEqual([128, 128, 128, 129, 200]);
  expect(sizes({ maxNumSeqs: 9, maxNumBatchedTokens: 9 }).maxNumBatchedTokens).toBe(9);
  expect(() => sizes({ maxNumSeqs: 9, maxNumBatchedTokens: 8 })).toThrow(
    "maxNumBatchedTokens is 8, less than maxNumSeqs 9, and each running sequence needs a token per batch; give at least 9",
  );
});

test("blocks are as many as the sequences need, and no more than the memory holds", () => {
  const blocks = (options: Partial<EngineOptions>) => sizes(options).numBlocks;
  expect(blocks({ maxNumSeqs: 3 })).toBe(12);
  // 64 positions need three blocks of 24.
  expect(blocks({ maxNumSeqs: 3, blockSize: 24 })).toBe(9);
  expect(blocks({ kvCacheMemoryBytes: 3 * block })).toBe(3);
  expect(blocks({ kvCacheMemoryBytes: 4 * block - 1 })).toBe(3);
  expect(blocks({ maxNumSeqs: 1e6 })).toBe(2 ** 28 / block);
  expect(blocks({ numBlocks: 7, kvCacheMemoryBytes: 1 })).toBe(7);
});

test("a sequence is as long as the model and the cache allow", () => {
  expect(sizes({ numBlocks: 3 }).maxModelLen).toBe(48);
  expect(sizes({ numBlocks: 5 }).maxModelLen).toBe(64);
  expect(sizes({ numBlocks: 3, maxModelLen: 48 }).maxModelLen).toBe(48);
  expect(() => sizes({ numBlocks: 3, maxModelLen: 49 })).toThrow(
    "maxModelLen is 49, but the KV cache has room for only 48 tokens (3 blocks of 16)",
  );
  expect(sizes({ maxModelLen: 64 }).maxModelLen).toBe(64);
  expect(() => sizes({ maxModelLen: 65 })).toThrow("maxModelLen is 65, but the model supports at most 64 positions");
});

test.each(["maxNumSeqs", "maxNumBatchedTokens", "blockSize", "numBlocks", "maxModelLen", "maxQueue"] as const)(
  "%s is a whole number of at least 1",
  (name) => {
    const others = name === "maxNumBatchedTokens" ? { maxNumSeqs: 1 } : {};
    expect(sizes({ ...others, [name]: 1 })[name]).toBe(1);
    for (const size of [0, -1, 1.5, Number.NaN]) {
      expect(() => sizes({ ...others, [name]: size })).toThrow(
        `createEngine: ${name} is ${size}; expected a whole number`,
      );
    }
  },
);

test("log-probabilities may be none, and the hint about memory is for blocks alone", () => {
  expect(sizes({ maxLogprobs: 0 }).maxLogprobs).toBe(0);
  expect(() => sizes({ maxLogprobs: -1 })).toThrow(/maxLogprobs is -1; expected a whole number$/);
  expect(() => sizes({ kvCacheMemoryBytes: block - 1 })).toThrow(
    `numBlocks is 0; expected a whole number of at least 1; a block takes ${block} bytes of kvCacheMemoryBytes`,
  );
});

test("a token of a layer with rows takes their width besides its keys and values", () => {
  const layers = [
    { keyValueHeads: 0, headDim: 4, rowWidth: 10 },
    { keyValueHeads: 2, headDim: 4 },
  ];
  const attentionSizes = { layers: 2, keyValueHeads: 2, headDim: 4, perLayer: layers };
  const mixed = { sharedPositions: 64, attentionSizes } as unknown as CausalLM;
  const bytes = 4 * 16 * (10 + 2 * 2 * 4);
  const blocks = (kvCacheMemoryBytes: number) => engineSizes({ kvCacheMemoryBytes } as EngineOptions, mixed).numBlocks;
  expect([blocks(3 * bytes - 1), blocks(3 * bytes)]).toEqual([2, 3]);
});

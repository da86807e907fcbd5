import { init, reference } from "@lowrank/core";
import fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import { evaluate } from "../../evaluation/evaluate.ts";
import { tinyLlama } from "../../testing/tinyRun.ts";
import { Trainer } from "../../trainer/trainer.ts";
import { collateAny } from "../batches/collateAny.ts";
import type { TokenizedExample } from "../tokens/tokenize.ts";
import { bestFit, packExamples } from "./packExamples.ts";

/** An example of `length` tokens, whose first `given` tokens have no loss. */
function example(length: number, given = 0, first = 1): TokenizedExample {
  const inputIds = Array.from({ length }, (_, t) => 1 + ((first + t) % 9));
  return { inputIds, labels: inputIds.map((id, t) => (t < given ? -100 : id)) };
}

describe("bestFit", () => {
  test("the longest first, where the least room is left", () => {
    const bins = bestFit([1, 5, 2, 3, 4, 7], 6);
    expect(bins.map((bin) => [...bin])).toEqual([[5], [1, 0], [4, 2], [3]]);
  });

  test("a full bin takes items of no length", () => {
    expect(bestFit([6, 0, 6, 9], 6).map((bin) => [...bin])).toEqual([[3], [0], [2, 1]]);
    expect(bestFit([], 6)).toEqual([]);
  });

  test("every item once, in bins that are not too full, as a plain search places them", () => {
    const lengths = fc.array(fc.integer({ min: 1, max: 12 }), { maxLength: 40 });
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 10 }), (lengths, size) => {
        const bins = bestFit(lengths, size).map((bin) => [...bin]);
        expect(bins.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
        const order = lengths.map((_, i) => i).sort((a, b) => lengths[b] - lengths[a] || a - b);
        const rooms: number[] = [];
        for (const item of order) {
          const fitting = rooms.filter((room) => room >= lengths[item]);
          const at = rooms.indexOf(Math.min(...fitting));
          if (at < 0) rooms.push(Math.max(0, size - lengths[item]));
          else rooms[at] -= lengths[item];
        }
        const left = bins.map((bin) => Math.max(0, size - bin.reduce((sum, i) => sum + lengths[i], 0)));
        expect(left.sort()).toEqual(rooms.sort());
      }),
    );
  });
});

describe("packExamples", () => {
  test("examples stay whole, and a longer one has a block to itself", () => {
    const examples = [example(2), example(9), example(3, 1, 4)];
    expect(packExamples(examples, { blockSize: 6 })).toEqual([
      { ...examples[1], seqLengths: [9] },
      {
        inputIds: [...examples[2].inputIds, ...examples[0].inputIds],
        labels: [...examples[2].labels, ...examples[0].labels],
        seqLengths: [3, 2],
      },
    ]);
    for (const blockSize of [0, 0.5, -1, Number.NaN]) {
      expect(() => packExamples([], { blockSize })).toThrow(
        `blockSize is ${blockSize}; expected a whole number of at least 1`,
      );
    }
    expect(packExamples([example(1), example(1)], { blockSize: 1 })).toHaveLength(2);
  });

  test("a block is of one adapter", () => {
    const examples = ["a", "b", "a"].map((adapterName) => ({ ...example(2), adapterName }));
    const blocks = packExamples(examples, { blockSize: 8 });
    expect(blocks.map(({ adapterName, seqLengths }) => [adapterName, seqLengths.length])).toEqual([
      ["a", 2],
      ["b", 1],
    ]);
  });
});

describe("rows of documents", () => {
  beforeAll(async () => {
    await init(reference());
  });

  test("first tokens are not learned; padding and what is cut are known", async () => {
    const blocks = packExamples([example(3), example(2)], { blockSize: 5 });
    const { labels, truncatedTokens, length } = await collateAny([...blocks, { ...blocks[0] }], {
      padTokenId: 0,
      maxLength: 4,
      padToMultipleOf: 6,
    });
    expect({ truncatedTokens, length }).toEqual({ truncatedTokens: 2, length: 6 });
    const row = [-100, 3, 4, -100, -100, -100];
    expect([...labels]).toEqual([...row, ...row]);
    await expect(collateAny([{ ...blocks[0], seqLengths: [3, 1] }], { padTokenId: 0 })).rejects.toThrow(
      "example 0 has 5 tokens and seqLengths 3, 1",
    );
    await expect(collateAny([blocks[0], example(2)], { padTokenId: 0 })).rejects.toThrow("give one kind");
  });

  test("a training on packed examples takes the steps of one on padded ones", async () => {
    const lengths = [4, 6, 3, 9, 5, 2, 7, 8];
    const examples = lengths.map((length, i) => example(length, i % 3, i));
    const blocks = packExamples(examples, { blockSize: 11 });
    const settings = { padTokenId: 0, learningRate: 3e-2, maxSteps: 4, shuffle: false, schedule: "constant" } as const;
    const run = async (
      data: readonly TokenizedExample[],
      more: { batchSize: number; gradientAccumulationSteps?: number },
    ) => {
      const model = tinyLlama();
      const { losses, tokens } = await new Trainer(model, data, { ...settings, ...more }).train();
      return { losses, tokens, after: await evaluate(model, examples, { batchSize: 3, padTokenId: 0 }) };
    };
    const padded = await run(examples, { batchSize: 8 });
    expect(blocks).toHaveLength(4);
    for (const more of [{ batchSize: 4 }, { batchSize: 2, gradientAccumulationSteps: 2 }]) {
      const packed = await run(blocks, more);
      for (const [i, loss] of packed.losses.entries()) expect(loss).toBeCloseTo(padded.losses[i], 5);
      expect(packed.after.loss).toBeCloseTo(padded.after.loss, 5);
      expect(packed.tokens).toBe(4 * 44);
    }
    expect(padded.tokens).toBe(4 * 72);
    const model = tinyLlama();
    const [one, other] = [
      await evaluate(model, blocks, { batchSize: 3, padTokenId: 0 }),
      await evaluate(model, examples, { batchSize: 3, padTokenId: 0 }),
    ];
    expect(one.labels).toBe(other.labels);
    expect(one.loss).toBeCloseTo(other.loss, 5);
  });
});

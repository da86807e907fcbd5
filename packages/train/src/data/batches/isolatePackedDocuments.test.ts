import { init, reference } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { tinyLlama } from "../../testing/tinyRun.ts";
import type { PackedExample } from "../packing/packExamples.ts";
import type { Batch } from "./collate.ts";
import { collateAny } from "./collateAny.ts";
import { firstPredicted, labelCount, paddingOf, toInputs, withRows } from "./modelBatch.ts";

beforeAll(() => init(reference()));

/** Returns a row of documents of these lengths, whose tokens count from 1. */
function row(...seqLengths: number[]): PackedExample {
  const inputIds = Array.from({ length: seqLengths.reduce((sum, n) => sum + n, 0) }, (_, i) => i + 1);
  return { inputIds, labels: [...inputIds], seqLengths };
}

const pack = async (rows: PackedExample[], maxLength?: number) => {
  const batch = (await collateAny(rows, { padTokenId: 0, maxLength })) as Batch;
  const inputs = batch.furtherInputs!();
  return { ...batch, positions: [...inputs.positionIds!.dataSync()], maxPosition: inputs.maxPosition };
};

test("positions restart in each document and in the padding, whose first tokens have no label", async () => {
  const { positions, labels, attentionMask, maxPosition } = await pack([row(3, 1, 2), row(1, 2), row(6)]);
  expect(positions).toEqual([...[0, 1, 2, 0, 0, 1], ...[0, 0, 1, 0, 1, 2], ...[0, 1, 2, 3, 4, 5]]);
  expect([...labels]).toEqual([
    ...[-100, 2, 3, -100, -100, 6],
    ...[-100, -100, 3, -100, -100, -100],
    ...[-100, 2, 3, 4, 5, 6],
  ]);
  expect([...attentionMask]).toEqual(new Array(18).fill(1));
  expect(maxPosition).toBe(5);
});

test("documents of one token are all at position 0", async () => {
  const { positions, maxPosition } = await pack([row(1, 1)]);
  expect({ positions, maxPosition }).toEqual({ positions: [0, 0], maxPosition: 0 });
});

test.each([
  [4, [0, 1, 2, 0]],
  [3, [0, 1, 2]],
  [2, [0, 1]],
])("rows cut to %i tokens end within a document or at its end", async (maxLength, expected) => {
  const { positions } = await pack([row(3, 2), row(3, 2)], maxLength);
  expect(positions).toEqual([...expected, ...expected]);
});

test.each([[[3, 0]], [[4]], [[2]], [[4, -1]]])("lengths %j of three tokens are refused", async (seqLengths) => {
  await expect(pack([row(3), { ...row(3), seqLengths }])).rejects.toThrow(
    `collate: example 1 has 3 tokens and seqLengths ${seqLengths.join(", ")}; expected lengths of at least 1 that add up to the number of tokens`,
  );
});

test.each([
  [{}, 1],
  [{ classifiesTokens: true }, 0],
  [{ virtualTokens: { kind: "embeddings" } }, 0],
  [{ virtualTokens: { kind: "keyValues" } }, 1],
  [{ virtualTokens: null }, 1],
])("a model with %j predicts from token %i on", async (base, first) => {
  const model = base as never;
  expect(firstPredicted(model)).toBe(first);
  expect(firstPredicted({ baseModel: base } as never)).toBe(first);
  const labels = [1, -100, 3, 4, 5, 6];
  const examples = [0, 3].map((at) => ({ inputIds: [1, 2, 3], labels: labels.slice(at, at + 3) }));
  expect(labelCount(await collateAny(examples, { padTokenId: 0 }), model)).toBe(5 - 2 * first);
});

test("padding is token 0 unless the options or the model name another", () => {
  const paddingFor = (options: object, padTokenId?: number | null) =>
    paddingOf(options, { config: { padTokenId } } as never).padTokenId;
  expect(paddingFor({})).toBe(0);
  expect(paddingFor({}, null)).toBe(0);
  expect(paddingFor({}, 7)).toBe(7);
  expect(paddingFor({ padTokenId: 3 }, 7)).toBe(3);
  expect(paddingOf({ maxLength: 5, padToMultipleOf: 4 }, {} as never)).toEqual({
    ...{ padTokenId: 0, maxLength: 5, padToMultipleOf: 4 },
  });
});

test("labels for sequences need a model that classifies them", async () => {
  const batch = await collateAny([{ inputIds: [1], label: 0 }], { padTokenId: 0 });
  expect(() => toInputs(batch, tinyLlama())).toThrow(
    "the examples have a label for each sequence, but the model does not classify sequences; give labels for tokens",
  );
});

test("rows that name adapters need a model with adapters", () => {
  const rows = { adapterNames: ["a", "b", "a"] };
  expect(() => withRows(tinyLlama(), rows, () => 1)).toThrow(
    "the examples name adapters (a, b), and the model has none; give a PeftModel",
  );
  expect(withRows(tinyLlama(), {}, () => 1)).toBe(1);
  const withAdapterNames = (names: readonly string[], fn: () => unknown) => [names, fn()];
  expect(withRows({ withAdapterNames } as never, rows, () => 1)).toEqual([rows.adapterNames, 1]);
});

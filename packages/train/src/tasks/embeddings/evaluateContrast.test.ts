import { init, reference, type Tensor, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { embed } from "./embed.ts";
import { evaluateContrast } from "./evaluateContrast.ts";

beforeAll(() => init(reference()));

let passes: number[][] = [];
/** An encoder that maps a token to a direction: its id in degrees. */
const encoder = () => {
  const weight = tensor([0]);
  return {
    namedParameters: () => [["weight", weight]],
    eval: () => {},
    forward: ({ inputIds }: { inputIds: Tensor }) => {
      passes.push([...inputIds.shape]);
      const angles = Array.from(inputIds.dataSync() as Int32Array, (id) => (id * Math.PI) / 180);
      const values = angles.flatMap((angle) => [3 * Math.cos(angle), 3 * Math.sin(angle)]);
      return tensor(values, { shape: [...inputIds.shape, 2] });
    },
  } as never;
};
const at = (...inputIds: number[]) => ({ inputIds });
const cos = (degrees: number) => Math.cos((degrees * Math.PI) / 180);
const padTokenId = 0;

test("anchors are compared with the positives of all, and with their negatives", async () => {
  const triplets = [
    { anchor: at(0), positive: at(10), negative: at(80) },
    // Nearer to the first example's positive, and to its own negative.
    { anchor: at(20), positive: at(60), negative: at(30) },
    { anchor: at(90), positive: at(95), negative: at(180) },
  ];
  const found = await evaluateContrast(encoder(), triplets, { padTokenId });
  expect(found.accuracy).toBeCloseTo(2 / 3, 6);
  expect(found.positive).toBeCloseTo((cos(10) + cos(40) + cos(5)) / 3, 5);
  expect(found.other).toBeCloseTo((cos(60) + cos(95) + cos(10) + cos(75) + cos(80) + cos(30)) / 6, 5);
  expect(found.tripletAccuracy).toBeCloseTo(2 / 3, 6);
  const mixed = [triplets[0], { anchor: at(20), positive: at(60) }];
  expect((await evaluateContrast(encoder(), mixed, { padTokenId })).tripletAccuracy).toBeNull();
});

test("anchors of one positive are all right, and one example has no other", async () => {
  const same = [
    { anchor: at(0), positive: at(10) },
    { anchor: at(30), positive: at(10) },
  ];
  expect(await evaluateContrast(encoder(), same, { padTokenId })).toMatchObject({ accuracy: 1, tripletAccuracy: null });
  expect((await evaluateContrast(encoder(), same, { padTokenId })).other).toBeCloseTo((cos(10) + cos(20)) / 2, 5);
  const equal = same.map((pair) => ({ ...pair, negative: pair.positive }));
  expect((await evaluateContrast(encoder(), equal, { padTokenId })).tripletAccuracy).toBe(0);
  const one = await evaluateContrast(encoder(), same.slice(1), { padTokenId });
  expect(one).toMatchObject({ accuracy: 1, other: 0, positive: expect.closeTo(cos(20), 5) });
  await expect(evaluateContrast(encoder(), [], { padTokenId })).rejects.toThrow(
    "evaluateContrast: there are no examples",
  );
});

test("texts run 32 at a time by their lengths, and their embeddings are in their places", async () => {
  passes = [];
  const texts = Array.from({ length: 33 }, (_, i) => at(...Array.from({ length: i % 2 ? 1 : 2 }, () => i + 1)));
  const vectors = await embed(encoder(), texts, { padTokenId });
  for (const [i, [x, y]] of vectors.entries()) {
    expect([x, y]).toEqual([expect.closeTo(cos(i + 1), 5), expect.closeTo(cos(89 - i), 5)]);
  }
  expect(passes).toEqual([
    [32, 2],
    [1, 2],
  ]);
  passes = [];
  await embed(encoder(), texts.slice(0, 4), { padTokenId, batchSize: 2 });
  expect(passes).toEqual([
    [2, 1],
    [2, 2],
  ]);
});

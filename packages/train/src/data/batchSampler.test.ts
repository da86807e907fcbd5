import { Generator } from "@lowrank/core";
import fc from "fast-check";
import { expect, test } from "vitest";
import { BatchSampler, type BatchSamplerOptions } from "./batchSampler.ts";

const take = (sampler: BatchSampler, n: number) => Array.from({ length: n }, () => Array.from(sampler.next()));
const seeded = () => new Generator(7);

test("without shuffling, examples come in order, epoch after epoch", () => {
  const sampler = new BatchSampler(5, { batchSize: 2 });
  expect(sampler.batchesPerEpoch).toBe(3);
  expect(take(sampler, 4)).toEqual([[0, 1], [2, 3], [4], [0, 1]]);
  expect(sampler.state).toEqual({ epoch: 1, position: 2 });
  expect(take(new BatchSampler(5, { batchSize: 2, dropLast: true }), 3)).toEqual([
    [0, 1],
    [2, 3],
    [0, 1],
  ]);
});

test("shuffled epochs differ from each other, and are the same for the same seed", () => {
  const make = () => new BatchSampler(20, { batchSize: 20, shuffle: seeded() });
  const [first, second] = take(make(), 2);
  expect(first).not.toEqual(second);
  expect(first).not.toEqual(Array.from({ length: 20 }, (_, i) => i));
  expect(take(make(), 2)).toEqual([first, second]);
});

test("every example comes once in an epoch, and a stopped sampler goes on as if it had not been", () => {
  const counts = fc.record({ count: fc.integer({ min: 1, max: 30 }), batchSize: fc.integer({ min: 1, max: 8 }) });
  fc.assert(
    fc.property(counts, fc.nat(12), fc.boolean(), ({ count, batchSize }, stop, shuffled) => {
      const options: BatchSamplerOptions = { batchSize, shuffle: shuffled ? seeded() : undefined };
      const whole = new BatchSampler(count, options);
      const epoch = take(whole, whole.batchesPerEpoch).flat();
      expect(epoch.sort((a, b) => a - b)).toEqual(Array.from({ length: count }, (_, i) => i));
      expect(whole.state).toEqual({ epoch: 1, position: 0 });

      const stopped = new BatchSampler(count, options);
      take(stopped, stop);
      const resumed = new BatchSampler(count, options);
      resumed.next();
      resumed.state = stopped.state;
      expect(take(resumed, 10)).toEqual(take(stopped, 10));
    }),
  );
});

test("misuse is named", () => {
  expect(() => new BatchSampler(0, { batchSize: 1 })).toThrow("count is 0");
  expect(() => new BatchSampler(3, { batchSize: 0 })).toThrow("batchSize is 0");
  expect(() => new BatchSampler(3, { batchSize: 4, dropLast: true })).toThrow("3 examples are fewer than batchSize 4");
  const sampler = new BatchSampler(3, { batchSize: 2 });
  expect(() => {
    sampler.state = { epoch: 0, position: 4 };
  }).toThrow("position 4 is beyond an epoch of 3 examples");
});

test("lengths make batches of about equal examples, each example still once an epoch", () => {
  const lengths = Array.from({ length: 203 }, (_, i) => 1 + ((i * 37) % 101));
  const spread = (options: { lengths?: number[] }) => {
    const sampler = new BatchSampler(203, { batchSize: 8, shuffle: new Generator(3), ...options });
    const batches = Array.from({ length: sampler.batchesPerEpoch }, () => Array.from(sampler.next()));
    expect(batches.flat().sort((a, b) => a - b)).toEqual(lengths.map((_, i) => i));
    expect(sampler.state).toEqual({ epoch: 1, position: 0 });
    const ranges = batches.map((b) => Math.max(...b.map((i) => lengths[i])) - Math.min(...b.map((i) => lengths[i])));
    return ranges.reduce((a, b) => a + b, 0) / ranges.length;
  };
  expect(spread({ lengths })).toBeLessThan(spread({}) / 5);
  const single = (options: { lengths?: number[] }) =>
    take(new BatchSampler(203, { batchSize: 1, shuffle: seeded(), ...options }), 203);
  expect(single({ lengths })).toEqual(single({}));
  expect(() => new BatchSampler(3, { batchSize: 1, lengths: [1] })).toThrow(/1 lengths for 3 examples/);
});

test.each([2, 3])("batches of %i are of examples sorted by length among 50 batches", (batchSize) => {
  const count = 403;
  const lengths = Array.from({ length: count }, (_, i) => (i * 7919) % 1009);
  const full = count - (count % batchSize);
  const order = [...seeded().fork(0).permutation(count)];
  const sorted: number[][] = [];
  for (let at = 0; at < full; at += 50 * batchSize) {
    const stretch = order.slice(at, Math.min(full, at + 50 * batchSize)).sort((a, b) => lengths[a] - lengths[b]);
    while (stretch.length > 0) sorted.push(stretch.splice(0, batchSize));
  }
  const sampler = new BatchSampler(count, { batchSize, shuffle: seeded(), lengths });
  const batches = take(sampler, sampler.batchesPerEpoch);
  expect(batches.at(-1)).toEqual(order.slice(full));
  const keys = (all: number[][]) => all.map((batch) => batch.join());
  expect(keys(batches.slice(0, -1)).sort()).toEqual(keys(sorted).sort());
  expect(keys(batches.slice(0, -1))).not.toEqual(keys(sorted));
});

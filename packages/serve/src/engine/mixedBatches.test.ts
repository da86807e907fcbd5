import { type Backend, reference } from "@lowrank/core";
import { wasm } from "@lowrank/wasm";
import { expect, test } from "vitest";
import { checkMixedBatches } from "../testing/mixedBatches.ts";
import { storiesSizes, tinySizes } from "../testing/tinyModel.ts";

/** Counters over all schedules. */
const found = { preemptions: 0, cached: 0, swapped: 0 };

const invariant = () => wasm({ batchInvariant: true, threads: 1 });
const cases: [string, () => Backend | Promise<Backend>, typeof tinySizes, number][] = [
  ["a tiny model on the reference backend", reference, tinySizes, 6],
  ["a tiny model on wasm", invariant, tinySizes, 12],
  ["a model of stories260K's sizes on wasm", invariant, storiesSizes, 6],
];

test.each(cases)(
  "every token of a mixed batch is that of the same request run alone, bit for bit: %s",
  async (_, backend, sizes, numRuns) => {
    const { preemptions, cached, swapped } = await checkMixedBatches(await backend(), sizes, { numRuns });
    found.preemptions += preemptions;
    found.cached += cached;
    found.swapped += swapped;
  },
);

test("the schedules were tight enough to show something", () => {
  for (const count of Object.values(found)) expect(count).toBeGreaterThan(0);
});

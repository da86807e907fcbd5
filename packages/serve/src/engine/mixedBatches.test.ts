import { init, reference } from "@lowrank/core";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { HeldAdapters } from "../testing/heldAdapters.ts";
import { Alone, arrivals, serve, tightSizes } from "../testing/schedules.ts";
import { adapterFiles, type FilesInMemory, tinyConfigs } from "../testing/tinyAdapters.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";

const names = Object.keys(tinyConfigs);
const tokenizer = tinyTokenizer();
/** Two versions of each adapter: "lora8-1" and "lora8-2". */
const versions = new Map<string, FilesInMemory>();
let alone: Alone;

beforeAll(async () => {
  await init(reference());
  for (const [i, name] of names.entries()) {
    for (const version of [1, 2]) {
      versions.set(`${name}-${version}`, await adapterFiles(tinyLlama, tinyConfigs[name](), 10 * i + version));
    }
  }
  alone = new Alone(tinyLlama(), tokenizer);
});

afterAll(() => alone.close());

test("every token of a mixed batch is that of the same request run alone, bit for bit", async () => {
  let preemptions = 0;
  let cached = 0;
  let swapped = 0;
  const swaps = fc.array(fc.record({ name: fc.constantFrom(...names), at: fc.nat(60) }), { maxLength: 4 });
  const schedule = fc.record({ planned: arrivals(names, 97, 10), sizes: tightSizes, swaps });
  const model = tinyLlama();
  await fc.assert(
    fc.asyncProperty(schedule, async ({ planned, sizes, swaps }) => {
      let held!: HeldAdapters;
      const engine = await createEngine({
        ...{ model, tokenizer, servedModelName: "tiny", ...sizes },
        adapters: (host) =>
          (held = new HeldAdapters(
            host,
            names.map((name) => [name, versions.get(`${name}-1`)!]),
          )),
      });
      try {
        const seen = await serve(engine, planned, (events) => {
          for (const { name, at } of swaps) {
            if (at === events) held.registered.set(name, { version: `${name}-2`, files: versions.get(`${name}-2`)! });
          }
        });
        for (const { arrival, events } of seen) {
          const [started, ...rest] = events;
          if (started.type !== "started") throw new Error(`the first event is ${started.type}`);
          const { version } = started;
          if (version?.endsWith("-2")) swapped += 1;
          const expected = await alone.tokens(
            arrival.request,
            version ? { name: version, files: versions.get(version)! } : null,
          );
          const tokens = rest.filter(({ type }) => type === "token");
          expect(tokens).toEqual(arrival.leaves === null ? expected : expected.slice(0, tokens.length));
        }
        const stats = await engine.stats();
        preemptions += stats.preemptions;
        cached += stats.cachedTokens;
        await engine.drain();
        expect((await engine.stats()).pages.used).toBe(0);
      } finally {
        await engine.close();
      }
    }),
    { numRuns: 25 },
  );
  // The schedules were tight enough to show something.
  expect(preemptions).toBeGreaterThan(5);
  expect(cached).toBeGreaterThan(20);
  expect(swapped).toBeGreaterThan(2);
});

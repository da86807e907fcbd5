import { type Backend, init } from "@lowrank/core";
import fc from "fast-check";
import { expect } from "vitest";
import { createEngine } from "../engine/createEngine.ts";
import { HeldAdapters } from "./heldAdapters.ts";
import { Alone, arrivals, type Seen, serve, tightSizes } from "./schedules.ts";
import { adapterFiles, type FilesInMemory, tinyConfigs } from "./tinyAdapters.ts";
import { type TinySizes, tinyLlama, tinyTokenizer } from "./tinyModel.ts";

const names = Object.keys(tinyConfigs);
const tokenizer = tinyTokenizer();

/** Returns the files of two versions of each adapter, named "lora8-1" and "lora8-2". */
async function filesOfVersions(create: typeof tinyLlama): Promise<Map<string, FilesInMemory>> {
  const versions = new Map<string, FilesInMemory>();
  for (const [i, name] of names.entries()) {
    for (const version of [1, 2]) {
      const files = await adapterFiles(create, tinyConfigs[name](), 10 * i + version);
      versions.set(`${name}-${version}`, files);
    }
  }
  return versions;
}

const swaps = fc.array(fc.record({ name: fc.constantFrom(...names), at: fc.nat(30) }), { maxLength: 4 });
const schedule = fc.record({ planned: arrivals(names, 97, 12), sizes: tightSizes, swaps });

/** Counters over all schedules. */
interface Counts {
  readonly preemptions: number;
  readonly cached: number;
  readonly swapped: number;
}

/**
 * Throws unless a request's tokens in mixed batches equal its tokens when it runs alone, bit for bit, over random
 * schedules on a backend.
 */
export async function checkMixedBatches(
  backend: Backend,
  sizesOfModel: TinySizes,
  drawn: fc.Parameters<unknown>,
): Promise<Counts> {
  const found = { preemptions: 0, cached: 0, swapped: 0 };
  await init(backend);
  const create = () => tinyLlama(sizesOfModel);
  const versions = await filesOfVersions(create);
  const model = create();
  const alone = new Alone(create(), tokenizer);

  const expectSame = async ({ arrival, events: [started, ...rest] }: Seen) => {
    if (started.type !== "started") throw new Error(`the first event is ${started.type}`);
    const { version } = started;
    if (version?.endsWith("-2")) found.swapped += 1;
    const files = version === null ? null : { name: version, files: versions.get(version)! };
    const expected = await alone.tokens(arrival.request, files);
    const tokens = rest.filter(({ type }) => type === "token");
    expect(tokens).toEqual(arrival.leaves === null ? expected : expected.slice(0, tokens.length));
  };

  const property = fc.asyncProperty(schedule, async ({ planned, sizes, swaps }) => {
    const held: HeldAdapters[] = [];
    const engine = await createEngine({
      ...{ model, tokenizer, servedModelName: "tiny", ...sizes },
      adapters: (host) => {
        const first = names.map((name) => [name, versions.get(`${name}-1`)!] as const);
        held.push(new HeldAdapters(host, first));
        return held[0];
      },
    });
    try {
      const seen = await serve(engine, planned, (events) => {
        for (const { name, at } of swaps) {
          const version = `${name}-2`;
          if (at === events) held[0].registered.set(name, { version, files: versions.get(version)! });
        }
      });
      await engine.drain();
      const { preemptions, cachedTokens, pages } = await engine.stats();
      found.preemptions += preemptions;
      found.cached += cachedTokens;
      expect(pages.used).toBe(0);
      for (const one of seen) await expectSame(one);
    } finally {
      await engine.close();
    }
  });
  await fc.assert(property, { ...drawn, endOnFailure: true });
  await alone.close();
  return found;
}

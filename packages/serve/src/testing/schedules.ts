import type { CausalLM, Tokenizer } from "@lowrank/models";
import fc from "fast-check";
import type { AdapterHost } from "../api/adapterProvider.ts";
import type { ServingEngine, ServingEvent, ServingRequest } from "../api/api.ts";
import { createEngine } from "../engine/createEngine.ts";
import type { EngineOptions } from "../engine/engineOptions.ts";
import { HeldAdapters } from "./heldAdapters.ts";
import type { FilesInMemory } from "./tinyAdapters.ts";

/** Request of a random schedule. */
export interface Arrival {
  readonly request: ServingRequest;
  /** Number of events after which it arrives. */
  readonly after: number;
  /** Number of events after which its reader leaves; null: it stays to the end. */
  readonly leaves: number | null;
}

/** Arrival with the events that its reader saw. */
export interface Seen {
  readonly arrival: Arrival;
  readonly events: ServingEvent[];
}

/** Draws engine sizes with little room: pages run out, and prompts are split. */
export const tightSizes: fc.Arbitrary<Partial<EngineOptions>> = fc
  .record({
    blockSize: fc.constantFrom(2, 4, 8),
    tokens: fc.integer({ min: 40, max: 52 }),
    maxNumSeqs: fc.integer({ min: 3, max: 6 }),
    extra: fc.integer({ min: 0, max: 12 }),
    enablePrefixCaching: fc.boolean(),
  })
  .map(({ blockSize, tokens, maxNumSeqs, extra, enablePrefixCaching }) => ({
    ...{ blockSize, maxNumSeqs, enablePrefixCaching, maxModelLen: 40 },
    ...{ numBlocks: Math.ceil(tokens / blockSize), maxNumBatchedTokens: maxNumSeqs + extra },
  }));

/** Draws requests that arrive and leave while others run, for adapters with these names. */
export function arrivals(adapters: readonly string[], vocabSize: number, count: number): fc.Arbitrary<Arrival[]> {
  const token = fc.nat(vocabSize - 1);
  // Few beginnings, so that prefixes are shared.
  const beginnings = [0, 1].map((b) => Array.from({ length: 5 + 4 * b }, (_, i) => (7 * i + 13 * b) % vocabSize));
  const prompt = fc
    .tuple(fc.constantFrom(...beginnings), fc.array(token, { minLength: 0, maxLength: 6 }))
    .map(([start, rest]) => [...start, ...rest]);
  const sampling = fc.oneof(
    fc.constant({ temperature: 0 }),
    fc.record({ temperature: fc.constantFrom(0.7, 1, 1.5), seed: fc.nat(5) }),
    fc.record({
      temperature: fc.constant(1),
      seed: fc.nat(5),
      topK: fc.constantFrom(0, 5),
      topP: fc.constantFrom(0.8, 1),
    }),
    fc.record({
      ...{ temperature: fc.constantFrom(0, 1), seed: fc.nat(5), repetitionPenalty: fc.constantFrom(1, 1.3) },
      ...{
        frequencyPenalty: fc.constantFrom(0, 0.5),
        logitBias: fc.constantFrom<Record<number, number>>({}, { 3: 2, 50: -5 }),
      },
    }),
  );
  // Some of the adapters, of which one has most requests.
  const chosen = fc.shuffledSubarray([...adapters], { minLength: 2, maxLength: 4 });
  const named = chosen.map((some) => fc.constantFrom(null, some[0], some[0], ...some));
  const one = (adapter: fc.Arbitrary<string | null>) =>
    fc.record({
      ...{ prompt, sampling, adapter, after: fc.nat(12) },
      ...{
        maxNewTokens: fc.oneof(fc.constant(1), fc.integer({ min: 6, max: 20 })),
        leaves: fc.constantFrom(null, null, null, 1, 5),
      },
      ...{
        logprobs: fc.option(fc.constantFrom(0, 2), { nil: undefined }),
        tenant: fc.constantFrom("t", "t", "t", "u"),
      },
    });
  return named
    .chain((adapter) => fc.array(one(adapter), { minLength: 5, maxLength: count }))
    .map((drawn) =>
      drawn.map(({ prompt, after, leaves, ...rest }, i) => ({
        ...{ after, leaves },
        request: { id: `r${i}`, prompt: { tokens: prompt }, ignoreEos: true, ...rest },
      })),
    );
}

/** Serves arrivals at their times. Calls `each` with the number of events seen so far. */
export async function serve(
  engine: ServingEngine,
  planned: readonly Arrival[],
  each: (events: number) => void = () => {},
): Promise<Seen[]> {
  const waiting = [...planned].sort((a, b) => a.after - b.after);
  const seen: Seen[] = [];
  const running: Promise<void>[] = [];
  let events = 0;
  let open = 0;
  const start = () => {
    while (waiting.length > 0 && (open === 0 || waiting[0].after <= events)) {
      const arrival = waiting.shift()!;
      open += 1;
      running.push(read(arrival));
    }
  };
  const read = async (arrival: Arrival) => {
    const own: ServingEvent[] = [];
    seen.push({ arrival, events: own });
    for await (const event of engine.generate(arrival.request)) {
      own.push(event);
      events += 1;
      each(events);
      start();
      if (own.length === arrival.leaves) break;
    }
    open -= 1;
    start();
  };
  start();
  for (let i = 0; i < running.length; i++) await running[i];
  return seen;
}

/** Runs requests alone on a separate model and engine, for comparison. */
export class Alone {
  readonly #engine: Promise<ServingEngine>;
  readonly #known = new Map<string, Promise<ServingEvent[]>>();
  #held!: HeldAdapters;

  constructor(model: CausalLM, tokenizer: Tokenizer) {
    const adapters = (host: AdapterHost) => {
      this.#held = new HeldAdapters(host);
      return this.#held;
    };
    const sizes = { maxNumSeqs: 1, enablePrefixCaching: false };
    this.#engine = createEngine({ model, tokenizer, servedModelName: "alone", adapters, ...sizes });
  }

  /** Returns the tokens of a request with one version of its adapter. */
  async tokens(
    request: ServingRequest,
    version: { name: string; files: FilesInMemory } | null,
  ): Promise<ServingEvent[]> {
    const { id: _, tenant: __, ...same } = request;
    const key = JSON.stringify([same, version?.name]);
    let known = this.#known.get(key);
    if (!known) {
      known = this.#run(request, version);
      this.#known.set(key, known);
    }
    return known;
  }

  async #run(request: ServingRequest, version: { name: string; files: FilesInMemory } | null): Promise<ServingEvent[]> {
    const engine = await this.#engine;
    if (version) this.#held.registered.set(version.name, { version: version.name, files: version.files });
    const events: ServingEvent[] = [];
    for await (const event of engine.generate({ ...request, adapter: version?.name ?? null })) events.push(event);
    return events.filter(({ type }) => type === "token");
  }

  async close(): Promise<void> {
    await (await this.#engine).close();
  }
}

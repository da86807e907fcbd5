import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init } from "@lowrank/core";
import { type CausalLM, loadModel } from "@lowrank/models";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig } from "@lowrank/peft";
import { sharedPath } from "@lowrank/test-support/folders";
import { wasm } from "@lowrank/wasm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { adapterStore } from "../adapters/adapterStore.ts";
import type { ServingEngine, ServingEvent, ServingRequest } from "../api/api.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import { type Arrival, serve } from "../testing/schedules.ts";
import { createEngine } from "./createEngine.ts";
import type { EngineOptions } from "./engineOptions.ts";

/** Number of registered adapters, and of the ones that requests name. */
const [count, asked] = [2000, 600];
/** Memory for some dozens of adapters. */
const maxAdapterBytes = 6e6;
const maxModelLen = 48;
const path = sharedPath("models/stories260K-hf", "mixed batches over thousands of adapters");

const lora = (r: number, options: object = {}) => {
  return new LoraConfig({ r, loraAlpha: 2 * r, initLoraWeights: false, targetModules: "all-linear", ...options });
};
const some = ["q_proj", "v_proj", "down_proj"];
/** Kinds of adapters, in turn; high ranks target fewer layers. */
const kinds: readonly PeftConfig[] = [
  ...[lora(2), lora(4), lora(8, { loraAlpha: 5 }), lora(4, { useRslora: true })],
  ...[lora(4, { useDora: true, targetModules: some }), new IA3Config({ initIa3Weights: false })],
  ...[lora(16, { targetModules: some }), lora(32, { useRslora: true, targetModules: some }), lora(3)],
  ...[lora(64, { targetModules: ["q_proj", "v_proj"] }), lora(2, { useDora: true })],
];
/** Number of adapters that are requested often, and are mostly in memory. */
const hot = 30;
const nameOf = (i: number): string => `adapter-${i}`;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-thousands-"));
  await init(wasm({ batchInvariant: true }));
  if (path === undefined) return;
  const model = await storiesModel();
  for (let i = 0; i < count; i++) {
    const peft = await getPeftModel(model, kinds[i % kinds.length], { generator: new Generator(i) });
    await peft.savePretrained(join(folder, nameOf(i)), { dtype: i % 2 === 0 ? "f16" : "f32" });
    peft.unload();
  }
}, 600_000);
afterAll(() => rm(folder, { recursive: true }));

async function storiesModel(): Promise<CausalLM> {
  return (await loadModel(path!)).model as CausalLM;
}

async function storiesEngine(options: Partial<EngineOptions>): Promise<ServingEngine> {
  const { model, tokenizer } = await loadModel(path!);
  return createEngine({
    ...{ model: model as CausalLM, tokenizer: tokenizer!, servedModelName: "stories", ...options },
    adapters: adapterStore({ place: folderPlace(folder), maxAdapterBytes }),
  });
}

/**
 * Draws requests for many of the adapters, each once and in random order, mixed with requests for the hot ones and the
 * base model. They arrive faster than they end. One of eight readers leaves early.
 */
function randomArrivals(): Arrival[] {
  const generator = new Generator(1);
  const drawn = new Int32Array(8);
  const draw = (below: readonly number[]) => {
    generator.fillInt(drawn, 0, 2 ** 30);
    return below.map((most, i) => drawn[i] % most);
  };
  const adapters = Array.from({ length: count }, (_, i) => ({ adapter: nameOf(i), order: draw([2 ** 30])[0] }))
    .sort((a, b) => a.order - b.order)
    .slice(0, asked)
    .flatMap(({ adapter }, i) => [adapter, i % 8 === 0 ? null : nameOf(i % hot)]);
  return adapters.map((adapter, i) => {
    const [length, start, newTokens, sampled, seed, leaves, logprobs, late] = draw([12, 4, 16, 2, 100, 8, 8, 60]);
    // Few beginnings, so that prefixes are shared.
    const tokens = [1, ...Array.from({ length: 4 + length }, (_, t) => 261 + ((7 * t + 31 * start) % 200))];
    return {
      request: {
        ...{ id: `r${i}`, prompt: { tokens }, adapter, tenant: "t", maxNewTokens: 16 + newTokens, ignoreEos: true },
        sampling: sampled ? { temperature: 0.9, topP: 0.95, seed } : { temperature: 0 },
        logprobs: logprobs === 0 ? 2 : undefined,
      },
      after: 12 * i + late,
      leaves: leaves === 0 ? 5 : null,
    };
  });
}

async function tokensOf(engine: ServingEngine, request: ServingRequest): Promise<ServingEvent[]> {
  const events: ServingEvent[] = [];
  for await (const event of engine.generate(request)) if (event.type === "token") events.push(event);
  return events;
}

test.skipIf(path === undefined)(
  "stories260K with 2,000 adapters: every token of a mixed batch is that of the same request alone",
  { timeout: 1_800_000 },
  async () => {
    const sizes = { blockSize: 4, maxModelLen, maxNumSeqs: 32, maxNumBatchedTokens: 48, numBlocks: 130 };
    const engine = await storiesEngine(sizes);
    let [mostBytes, mostRows] = [0, 0];
    const arrivals = randomArrivals();
    const seen = await serve(engine, arrivals, () => {
      void engine.stats().then(({ adapters, decodeRows }) => {
        mostBytes = Math.max(mostBytes, adapters.bytes);
        mostRows = Math.max(mostRows, decodeRows);
      });
    });
    await engine.drain();
    expect((await engine.adapters()).length).toBe(count);
    const { adapters, preemptions, cachedTokens, pages } = await engine.stats();
    console.log({ ...adapters, preemptions, cachedTokens, mostBytes, mostRows });
    expect(adapters.failures).toBe(0);
    expect(adapters.evictions).toBeGreaterThan(asked / 2);
    expect(mostBytes).toBeLessThanOrEqual(maxAdapterBytes);
    expect(mostRows).toBeGreaterThan(16);
    expect(Math.min(preemptions, cachedTokens)).toBeGreaterThan(0);
    expect(pages.used).toBe(0);
    await engine.close();

    const alone = await storiesEngine({ maxNumSeqs: 1, enablePrefixCaching: false, maxModelLen });
    expect(seen.length).toBe(arrivals.length);
    for (const { arrival, events } of seen) {
      const { request, leaves } = arrival;
      const tokens = events.filter(({ type }) => type === "token");
      const expected = await tokensOf(alone, request);
      expect(expected.length, request.id).toBe(request.maxNewTokens);
      expect(tokens, `${request.id} under ${request.adapter}`).toEqual(
        leaves === null ? expected : expected.slice(0, tokens.length),
      );
    }
    await alone.close();
  },
);

import { init } from "@lowrank/core";
import { type CausalLM, generate } from "@lowrank/models";
import { LoraConfig, type LoraOptions, PeftModel } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import type { ServingEngine } from "../api/api.ts";
import { collect } from "../testing/collect.ts";
import { HeldAdapters } from "../testing/heldAdapters.ts";
import { adapterFiles, type FilesInMemory, tinyConfigs } from "../testing/tinyAdapters.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";

const tokenizer = tinyTokenizer();
const ids = (text: string) => [...tokenizer.encode(text)];
const blockSize = 4;
let model: CausalLM;
let files: Record<string, FilesInMemory>;

const alora = (text: string, options: LoraOptions = {}) =>
  new LoraConfig({
    ...{ r: 4, loraAlpha: 16, initLoraWeights: false, taskType: "CAUSAL_LM" },
    targetModules: ["q_proj", "k_proj", "v_proj", "down_proj", "lm_head"],
    aloraInvocationTokens: ids(text),
    ...options,
  });

beforeAll(async () => {
  await init(wasm({ batchInvariant: true, threads: 1 }));
  model = tinyLlama();
  files = {
    judge: await adapterFiles(tinyLlama, alora("<j>"), 1),
    cite: await adapterFiles(tinyLlama, alora("<c>"), 2),
    rows: await adapterFiles(tinyLlama, alora("<j>", { trainableTokenIndices: [...ids("the")] }), 3),
    lora: await adapterFiles(tinyLlama, tinyConfigs.lora8(), 4),
  };
});
afterEach(() => void vi.restoreAllMocks());

const make = (options: { enablePrefixCaching?: boolean; maxNumBatchedTokens?: number; maxNumSeqs?: number } = {}) =>
  createEngine({
    ...{ model, tokenizer, servedModelName: "tiny", blockSize, ...options },
    adapters: (host) => {
      const adapters = new HeldAdapters(host, Object.entries(files));
      // Leases that are never released keep the adapters, and with them their pages.
      for (const name of Object.keys(files)) void adapters.acquire(name);
      return adapters;
    },
  });

const maxNewTokens = 7;
const ask = async (engine: ServingEngine, adapter: string | null, text: string, tenant = "t") => {
  const request = { prompt: { tokens: ids(text) }, maxNewTokens, ignoreEos: true, adapter, tenant };
  const { tokens, events } = await collect(engine, request);
  return { tokens, cached: events[0].type === "started" ? events[0].cachedTokens : null };
};
const alone = async (adapter: string | null, text: string) => {
  const options = { maxNewTokens, doSample: false, eosTokenIds: [] };
  const source = adapter === null ? tinyLlama() : await PeftModel.fromPretrained(tinyLlama(), files[adapter]);
  return (await generate(source, [ids(text)], options))[0];
};

/** 26 tokens. */
const context = "once there was a long text";

test("requests of aLoRA adapters in one batch have the tokens of generate", async () => {
  const requests: (readonly [string | null, string])[] = [
    ["judge", `${context}<j>ok`],
    ["cite", `<c>${context}<c>`],
    [null, `${context}<j>ok`],
    ["judge", `<j>${context}<j>`],
    ["rows", `${context}<j>ok`],
    ["lora", `${context}<c>`],
    ["cite", `${context}<j>ok`],
  ];
  vi.spyOn(console, "warn").mockImplementation(() => {});
  const expected = await Promise.all(requests.map(([adapter, text]) => alone(adapter, text)));
  expect(expected[0]).not.toEqual(expected[2]);
  expect(expected[6]).toEqual(expected[2]);
  for (const options of [{}, { enablePrefixCaching: false }, { maxNumBatchedTokens: 16, maxNumSeqs: 8 }]) {
    const engine = await make(options);
    for (let round = 0; round < 2; round++) {
      const found = await Promise.all(requests.map(([adapter, text]) => ask(engine, adapter, text)));
      expect(found.map(({ tokens }) => tokens)).toEqual(expected);
    }
    await engine.close();
  }
});

test("aLoRA adapters reuse the base model's pages up to their invocation, and the base model theirs", async () => {
  const engine = await make();
  const run = async (adapter: string | null, text: string, cached: number, tenant?: string) => {
    const found = await ask(engine, adapter, text, tenant);
    expect(found.tokens).toEqual(await alone(adapter, text));
    expect(found.cached).toBe(cached);
  };
  vi.spyOn(console, "warn").mockImplementation(() => {});
  await run(null, context, 0);
  // 26 tokens before the invocation are 6 full pages.
  await run("judge", `${context}<j>okay, so`, 24);
  await run("judge", `${context}<j>okay, so`, 36);
  await run("cite", `${context}<c>okay, so`, 24);
  // The same tokens with a later invocation.
  await run("judge", `${context}<j>okay, so<j>`, 24);
  await run("cite", `${context}<j>okay, so<c>!`, 36);
  await run(null, `${context}<j>okay, so<c>!`, 36);
  await run("lora", `${context}<j>okay, so`, 0);
  await run("rows", `${context}<j>okay, so`, 0);
  await run("rows", `${context}<j>okay, so`, 36);
  await run("judge", `${context}, and nothing else`, 24);
  await run("judge", `${context}<j>okay, so`, 0, "other tenant");
  await engine.close();
});

test("the base model reuses pages that an aLoRA computed before its invocation", async () => {
  const engine = await make();
  expect((await ask(engine, "judge", `${context}<j>ok`)).cached).toBe(0);
  const found = await ask(engine, null, `${context}<j>ok`);
  expect(found).toEqual({ tokens: await alone(null, `${context}<j>ok`), cached: 24 });
  await engine.close();
});

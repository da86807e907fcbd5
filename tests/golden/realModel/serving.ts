import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { currentBackend, Generator, init } from "@lowrank/core";
import { loadModel } from "@lowrank/models";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig } from "@lowrank/peft";
import { adapterStore, createEngine, folderPlace, type ServingEngine, type ServingRequest } from "@lowrank/serve";
import { wasm } from "@lowrank/wasm";
import type { Check } from "../check/compare.ts";
import { type ExpectedForward, type ExpectedTraining, readExpected } from "./expected.ts";
import { compareTokens } from "./greedy.ts";

/** New tokens for each request of the mixed batch. */
const newTokens = 10;

const blockSize = 8;

/** Makes an adapter with random weights; the batch has one for each request. */
function randomAdapter(i: number): PeftConfig {
  const targetModules = "all-linear";
  if (i % 8 === 7) return new IA3Config({ initIa3Weights: false });
  const r = [2, 4, 8, 16, 32, 64][i % 6];
  // Some use DoRA, on fewer layers, or rsLoRA.
  const variant = i % 8 === 3 ? { useDora: true, targetModules: ["q_proj", "v_proj"] } : { useRslora: i % 8 === 5 };
  return new LoraConfig({ r, loraAlpha: r, initLoraWeights: false, targetModules, ...variant });
}

/**
 * Checks requests for many adapters in one batch, on the packed model in integers. Every token must be the same as for
 * the request alone, with pages for only half of them, and while names are reassigned to other versions. Also checks
 * lora-20/ served in f32 against PEFT's answers.
 */
export async function* serving(dir: string, path: string): AsyncGenerator<Check> {
  const before = currentBackend();
  const folder = await mkdtemp(join(tmpdir(), "lowrank-served-"));
  await init(wasm({ batchInvariant: true }));
  try {
    yield* trainedAdapter(dir, path);
    yield* mixedBatch(dir, path, folder);
  } finally {
    await init(before);
    await rm(folder, { recursive: true, force: true });
  }
}

async function* trainedAdapter(dir: string, path: string): AsyncGenerator<Check> {
  const { model, tokenizer } = await loadModel(path);
  const engine = await createEngine({
    ...{ model, tokenizer: tokenizer!, servedModelName: "base" },
    adapters: adapterStore({ place: folderPlace(resolve(dir)), maxAdapterBytes: 64e6 }),
  });
  const { outputs } = readExpected<ExpectedTraining>(dir, "train").after[20];
  const answers = await Promise.all(
    outputs.map(({ prompt_ids }, i) => {
      return answer(engine, request(`answer ${i}`, prompt_ids, "lora-20", { temperature: 0 }, 64));
    }),
  );
  for (const [i, { prompt, ids, margins }] of outputs.entries()) {
    yield compareTokens(`lora-20 served ${JSON.stringify(prompt)}`, answers[i], ids, margins);
  }
  await engine.close();
  for (const parameter of model.parameters()) parameter.dispose();
}

async function* mixedBatch(dir: string, path: string, folder: string): AsyncGenerator<Check> {
  const { model, tokenizer } = await loadModel(path, { weights: "packed", activations: "int8" });
  const names = Array.from({ length: 32 }, (_, i) => `adapter-${i}`);
  for (const [i, name] of names.entries()) {
    const peft = await getPeftModel(model, randomAdapter(i), { generator: new Generator(i) });
    await peft.savePretrained(join(folder, name));
    await peft.unload();
  }
  const { texts } = readExpected<ExpectedForward>(dir, "forward");
  const ids = texts.flatMap((text) => text.ids);
  const requests = [...names, null].map((adapter, i) => {
    const prompt = ids.slice((5 * i) % (ids.length - 40)).slice(0, 6 + ((11 * i) % 30));
    const sampling = i % 2 ? { temperature: 0.8, topP: 0.95, seed: i } : { temperature: 0 };
    return request(`request ${i}`, prompt, adapter, sampling, newTokens);
  });
  const lengths = requests.map(({ prompt }) => ("tokens" in prompt ? prompt.tokens.length : 0) + newTokens);
  const pages = lengths.reduce((sum, length) => sum + Math.ceil(length / blockSize), 0);
  const engine = await createEngine({
    ...{ model, tokenizer: tokenizer!, servedModelName: "base", maxModelLen: 64 },
    ...{ blockSize, numBlocks: Math.ceil(pages / 2), maxNumSeqs: 40, maxNumBatchedTokens: 64 },
    adapters: adapterStore({ place: folderPlace(folder), maxAdapterBytes: 2e9 }),
  });
  const alone: number[][] = [];
  for (const one of requests) alone.push(await answer(engine, one));
  const together = requests.map((one) => answer(engine, one));
  // Reassigns the names of running adapters to other adapters' files.
  for (const i of [0, 1]) await engine.loadAdapter(names[i], names[i + 8], { replace: true });
  const mixed = await Promise.all(together);
  for (const [i, { adapter }] of requests.entries()) {
    const at = alone[i].findIndex((token, t) => mixed[i][t] !== token);
    const same = at < 0 && alone[i].length === mixed[i].length;
    const name = `served beside 32 others, ${adapter ?? "the base"}`;
    yield same ? { name } : { name, error: `token ${at} is ${mixed[i][at]} instead of ${alone[i][at]}, as alone` };
  }
  const { preemptions } = await engine.stats();
  yield {
    name: "served with pages for half",
    note: `${preemptions} requests were put off`,
    error: preemptions > 0 ? undefined : "no request was put off, so that nothing was tried",
  };
  await engine.close();
  for (const parameter of model.parameters()) parameter.dispose();
}

function request(
  id: string,
  tokens: readonly number[],
  adapter: string | null,
  sampling: ServingRequest["sampling"],
  maxNewTokens: number,
): ServingRequest {
  return { id, prompt: { tokens }, adapter, tenant: id, maxNewTokens, sampling };
}

async function answer(engine: ServingEngine, of: ServingRequest): Promise<number[]> {
  const tokens: number[] = [];
  for await (const event of engine.generate(of)) if (event.type === "token") tokens.push(event.token);
  return tokens;
}

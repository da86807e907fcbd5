import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { add, copyInto, Generator, init, noGrad, randn, reference } from "@lowrank/core";
import { generate } from "@lowrank/models";
import { getPeftModel, IA3Config, LoraConfig, type PeftConfig, PeftModel } from "@lowrank/peft";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ServingEngine } from "../api/api.ts";
import { createEngine } from "../engine/createEngine.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import { tinyLlama, tinySizes, tinyTokenizer } from "../testing/tinyModel.ts";
import { adapterStore } from "./adapterStore.ts";

let root = "";
beforeAll(async () => {
  await init(reference());
  root = await mkdtemp(join(tmpdir(), "lowrank-engine-"));
});
afterAll(() => rm(root, { recursive: true }));

const tokenizer = tinyTokenizer();
const targetModules = ["q_proj", "v_proj"];

async function save(name: string, config: PeftConfig, dtype: "f16" | "f32"): Promise<void> {
  const generator = new Generator(5);
  const peft = await getPeftModel(tinyLlama(), config, { generator });
  for (const parameter of peft.trainableParameters()) {
    const change = randn([...parameter.shape], { generator, std: 0.3 });
    noGrad(() => copyInto(parameter, add(parameter, change)));
  }
  await peft.savePretrained(join(root, name), { dtype });
}

async function tokensOf(engine: ServingEngine, adapter: string): Promise<number[]> {
  const tokens: number[] = [];
  const request = { id: adapter, prompt: { text: "hello" }, adapter, tenant: "t", sampling: { temperature: 0 } };
  for await (const event of engine.generate({ ...request, maxNewTokens: 8, ignoreEos: true })) {
    if (event.type === "token") tokens.push(event.token);
  }
  return tokens;
}

test("an engine serves the adapters of a folder, each as its model alone, in the dtype of its file", async () => {
  const lora = new LoraConfig({ r: 4, targetModules, initLoraWeights: false });
  await save("half", lora, "f16");
  await save("whole", lora, "f32");
  await save("ia3", new IA3Config({ targetModules, feedforwardModules: [], initIa3Weights: false }), "f16");
  await save("head", lora.with({ modulesToSave: ["lm_head"] }), "f32");
  await save("tokens", lora.with({ trainableTokenIndices: [1, 40, 72] }), "f32");
  const engine = await createEngine({
    ...{ model: tinyLlama(), tokenizer, servedModelName: "tiny" },
    adapters: adapterStore({ place: folderPlace(root), maxAdapterBytes: 1e6 }),
  });
  for (const name of ["half", "whole", "ia3", "tokens"]) {
    const alone = await PeftModel.fromPretrained(tinyLlama(), join(root, name));
    const [expected] = await generate(alone.baseModel, [tokenizer.encode("hello")], { maxNewTokens: 8 });
    expect((await tokensOf(engine, name)).slice(0, expected.length), name).toEqual(expected);
  }
  const bytes = Object.fromEntries((await engine.adapters()).map((one) => [one.name, one.bytes]));
  expect(bytes.half).toBeGreaterThan(0);
  expect(bytes.whole).toBe(2 * bytes.half);
  await expect(engine.loadAdapter("head", "head")).rejects.toMatchObject({
    code: "adapter_refused",
    message: expect.stringContaining("modules_to_save is lm_head"),
  });
  const deeper = await getPeftModel(tinyLlama({ ...tinySizes, num_hidden_layers: 3 }), lora);
  await deeper.savePretrained(join(root, "deeper"));
  await expect(tokensOf(engine, "deeper")).rejects.toMatchObject({
    code: "adapter_refused",
    message: expect.stringMatching(
      /^adapter_model.safetensors of LoRA adapter 'deeper' does not fit this model.*layers\.2/,
    ),
  });
  await engine.close();
});

import { copyInto, init, noGrad, tensor } from "@lowrank/core";
import { type CausalLM, generate } from "@lowrank/models";
import { getPeftModel, PeftModel, PolyConfig } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, expect, test } from "vitest";
import { collect } from "../testing/collect.ts";
import { HeldAdapters } from "../testing/heldAdapters.ts";
import { adapterFiles, type FilesInMemory, tinyConfigs } from "../testing/tinyAdapters.ts";
import { tinyLlama, tinyTokenizer } from "../testing/tinyModel.ts";
import { createEngine } from "./createEngine.ts";

const tokenizer = tinyTokenizer();
const prompt = tokenizer.encode("hello there, hello");
let model: CausalLM;
let tasked: FilesInMemory;
let lora: FilesInMemory;

beforeAll(async () => {
  await init(wasm({ batchInvariant: true, threads: 1 }));
  model = tinyLlama();
  const config = new PolyConfig({
    r: 4,
    nTasks: 3,
    initWeights: false,
    targetModules: ["q_proj", "down_proj", "lm_head"],
  });
  const peft = await getPeftModel(tinyLlama(), config);
  for (const [key, logits] of peft.adapterTensors()) {
    if (!key.endsWith("module_logits")) continue;
    // A new router has nearly the same weights for all tasks.
    const values = Float32Array.from({ length: logits.size }, (_, i) => 9 * Math.sin(5 * i + 1));
    noGrad(() => copyInto(logits, tensor(values, { shape: logits.shape })));
  }
  tasked = await peft.adapterFiles();
  lora = await adapterFiles(tinyLlama, tinyConfigs.lora8(), 2);
});

const make = () =>
  createEngine({
    ...{ model, tokenizer, servedModelName: "tiny", blockSize: 4 },
    adapters: (host) => new HeldAdapters(host, Object.entries({ tasked, lora })),
  });

test("requests of several tasks in one batch have the tokens of generate with that task", async () => {
  const peft = await PeftModel.fromPretrained(tinyLlama(), tasked);
  const expected = await Promise.all(
    [0, 1, 2].map((task) => generate(peft, [prompt], { taskIds: [task], maxNewTokens: 6, doSample: false })),
  );
  expect(new Set(expected.map(String)).size).toBe(3);
  const engine = await make();
  const request = { prompt: { tokens: prompt }, maxNewTokens: 6, ignoreEos: true };
  for (let round = 0; round < 2; round++) {
    const found = await Promise.all([
      ...[0, 1, 2].map((taskId) => collect(engine, { ...request, adapter: "tasked", taskId })),
      collect(engine, { ...request, adapter: "lora", taskId: 7 }),
    ]);
    for (const [task, [tokens]] of expected.entries()) expect(found[task].tokens).toEqual(tokens);
  }
  await engine.close();
});

test("a missing or wrong task is an error of the request", async () => {
  const engine = await make();
  const refused = (taskId?: number) => expect(collect(engine, { adapter: "tasked", taskId })).rejects;
  const wrong = { code: "invalid_request", param: "task_id" };
  await refused().toMatchObject({
    ...wrong,
    message: 'task_id is missing, and adapter "tasked" has 3 tasks; expected a whole number from 0 to 2',
  });
  await refused(3).toMatchObject({ ...wrong, message: expect.stringContaining("task_id is 3, and adapter") });
  await refused(-1).toMatchObject({ ...wrong, message: expect.stringContaining("task_id is -1; expected a whole") });
  await engine.close();
});

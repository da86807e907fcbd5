import { mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, reference } from "@lowrank/core";
import { memoryFiles, openFiles, type WritablePlace } from "@lowrank/files";
import { removeFolder, writeFiles } from "@lowrank/files/internal";
import { temporaryName, writingId } from "@lowrank/files/internal/disk";
import { type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig, type PeftModel, type Warning } from "@lowrank/peft";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ResumeError } from "../checkpoint/resumeError.ts";
import { getLastCheckpoint } from "../checkpoint/wholeCheckpoint.ts";
import type { TrainerOptions } from "../options/trainerOptions.ts";
import { Trainer } from "./trainer.ts";

const folder = mkdtempSync(join(tmpdir(), "lowrank-resume-"));
afterAll(() => rmSync(folder, { recursive: true }));

const sizes = { vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1, num_attention_heads: 2 };
const newModel = (seed = 5): CausalLM =>
  createModel(parseModelConfig({ model_type: "llama", ...sizes }), randomParameters(new Generator(seed)));
const adapted = async (alpha = 4, seed = 5): Promise<PeftModel<CausalLM>> => {
  const config = new LoraConfig({ r: 2, loraAlpha: alpha, targetModules: ["q_proj"], taskType: "CAUSAL_LM" });
  return getPeftModel(newModel(seed), config, { generator: new Generator(1) });
};

const examples = Array.from({ length: 10 }, (_, i) => {
  const inputIds = Array.from({ length: 5 }, (_, t) => 1 + ((i * 3 + t) % 9));
  return { inputIds, labels: inputIds };
});
const options: TrainerOptions = { padTokenId: 0, learningRate: 1e-2, batchSize: 4, maxSteps: 4 };
const from = join(folder, "run", "checkpoint-2");

beforeAll(async () => {
  await init(reference());
  const checkpoints = { folder: join(folder, "run"), every: 2 };
  await new Trainer(await adapted(), examples, { ...options, checkpoints }).train();
});

it.each<[string, Partial<TrainerOptions>, string]>([
  ["seed", { seed: 1 }, "seed is 1, and 0"],
  ["batch size", { batchSize: 5 }, "batchSize is 5, and 4"],
  ["accumulation", { gradientAccumulationSteps: 2 }, "gradientAccumulationSteps is 2, and 1"],
  ["learning rate", { learningRate: 2e-2 }, "learningRate is 0.02, and 0.01"],
  ["schedule", { schedule: "cosine" }, 'schedule is "cosine", and "linear"'],
  ["warm-up", { warmupSteps: 1 }, "warmupSteps is 1, and 0"],
  ["weight decay", { weightDecay: 0.1 }, "weightDecay is 0.1, and 0"],
  ["betas", { betas: [0.9, 0.99] }, "betas is [0.9,0.99], and [0.9,0.999]"],
  ["epsilon", { eps: 1e-6 }, "eps is 0.000001, and 1e-8"],
  ["gradient norm", { maxGradNorm: 2 }, "maxGradNorm is 2, and 1"],
  ["order", { shuffle: false }, "shuffle is false, and true"],
  ["precision", { precision: "high" }, 'precision is "high", and "highest"'],
  ["grouping", { groupByLength: true }, "groupByLength is true, and false"],
  ["length", { maxLength: 4 }, "maxLength is 4, and not set"],
  ["steps, by which the rate falls", { maxSteps: 5 }, "maxSteps is 5, and 4"],
  ["optimiser", { optimizer: "adamw8bit" }, 'optimizer is "adamw8bit", and "adamw"'],
])("refuses a checkpoint of a run with another %s", async (_, change, words) => {
  const trainer = new Trainer(await adapted(), examples, { ...options, ...change });
  await expect(trainer.resume(from)).rejects.toThrow(`${words} in the checkpoint`);
});

it.each<[string, () => Promise<PeftModel<CausalLM>>, typeof examples, string]>([
  ["examples", adapted, examples.toReversed(), "examples"],
  ["frozen weights", () => adapted(4, 6), examples, "model"],
  ["adapter", () => adapted(8), examples, "adapter_config.json: lora_alpha"],
])("refuses one of a run with other %s, and says that alone", async (_, model, data, name) => {
  const error = await new Trainer(await model(), data, options).resume(from).catch((e) => e);
  expect(error).toBeInstanceOf(ResumeError);
  expect((error as ResumeError).differences.map((difference) => difference.name)).toEqual([name]);
});

it("goes on with other options where it is told so, by these, and says each", async () => {
  const warnings: Warning[] = [];
  const learningRates: number[] = [];
  const trainer = new Trainer(await adapted(), examples, {
    ...{ ...options, learningRate: 0.5, weightDecay: 0.25 },
    onWarning: (warning) => warnings.push(warning),
    onStep: ({ learningRate }) => learningRates.push(learningRate),
  });
  expect(await trainer.resume(from, { allowChanges: true })).toBe(2);
  expect(warnings.map(({ code, message }) => `${code} ${message.split(": ")[1]}`)).toEqual([
    "changed-run learningRate is 0.5, and 0.01 in the checkpoint",
    "changed-run weightDecay is 0.25, and 0 in the checkpoint",
  ]);
  await trainer.train();
  expect(learningRates).toEqual([0.25, 0.125]);
});

it("takes more steps at a constant rate, which are the same steps and more", async () => {
  const checkpoints = { folder: join(folder, "constant"), every: 2 };
  const constant: TrainerOptions = { ...options, schedule: "constant" };
  await new Trainer(await adapted(), examples, { ...constant, maxSteps: 2, checkpoints }).train();
  const longer = new Trainer(await adapted(), examples, { ...constant, maxSteps: 3 });
  await longer.resume(checkpoints.folder);
  const { losses } = await longer.train();
  expect(losses).toEqual((await new Trainer(await adapted(), examples, constant).train()).losses.slice(2, 3));
});

it("takes a checkpoint whose process died before it was renamed, and the next one clears what lies there", async () => {
  const place = join(folder, "died");
  const checkpoints = { folder: place, every: 2 };
  await new Trainer(await adapted(), examples, { ...options, checkpoints }).train();
  // Contains the id of a process on this machine that has ended.
  const died = temporaryName("checkpoint-4", writingId().replace(/-[0-9a-z]+-[0-9a-z]+-/, "-zzzzz-1-"), "part");
  renameSync(join(place, "checkpoint-4"), join(place, died));
  expect(await getLastCheckpoint(place)).toBe(died);
  writeFileSync(join(place, died, "trainable.safetensors"), "");
  const warnings: Warning[] = [];
  expect(await getLastCheckpoint(place, (warning) => warnings.push(warning))).toBe("checkpoint-2");
  expect(warnings).toHaveLength(1);
  const resumed = new Trainer(await adapted(), examples, { ...options, checkpoints, onWarning: () => {} });
  expect(await resumed.resume(place)).toBe(2);
  await resumed.train();
  expect(readdirSync(place).sort()).toEqual(["checkpoint-2", "checkpoint-4"]);
});

describe("saveTotalLimit", () => {
  it.each<[string, () => WritablePlace]>([
    ["a folder", () => join(folder, "limited")],
    ["files in memory", () => memoryFiles()],
  ])("keeps the newest checkpoints of %s, and what is none", async (_, make) => {
    const place = make();
    await writeFiles(place, new Map([["checkpoint-0/notes.txt", "mine"]]));
    const checkpoints = { folder: place, every: 1, saveTotalLimit: 2 };
    await new Trainer(await adapted(), examples, { ...options, checkpoints }).train();
    const names = await (await openFiles(place)).list!();
    expect(names.sort()).toEqual(["checkpoint-0/", "checkpoint-3/", "checkpoint-4/"]);
    expect(await new Trainer(await adapted(), examples, options).resume(place)).toBe(4);
  });

  it("is a whole number", async () => {
    const checkpoints = { folder: "x", every: 1, saveTotalLimit: 0 };
    const trainer = new Trainer(await adapted(), examples, { ...options, checkpoints });
    await expect(trainer.train()).rejects.toThrow("saveTotalLimit is 0; give a whole number of at least 1");
  });

  it("keeps what memory was given", async () => {
    const files = memoryFiles({ "a/b": "given" });
    await expect(removeFolder(files, "a")).rejects.toThrow(
      "a/b was passed to memoryFiles, and only files written later can be removed",
    );
  });
});

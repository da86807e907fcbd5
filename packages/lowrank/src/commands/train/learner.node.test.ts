import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { folderFiles } from "@lowrank/files";
import { describeModel, Tokenizer } from "@lowrank/models";
import { Adafactor, AdamW, AdamW8bit, Lion, Muon } from "@lowrank/nn";
import { IA3Config, LoraConfig, type PeftConfig } from "@lowrank/peft";
import type { TokenizedExample } from "@lowrank/train";
import { init, wasm } from "lowrank";
import { afterAll, describe, expect, test } from "vitest";
import { tinyConfig, tinyLlama } from "../../testing/tinyLlama.ts";
import { wordTokenizer } from "../../testing/wordTokenizer.ts";
import { type LearnerOptions, makeLearner } from "./learner.ts";

await init(wasm());
const folder = await mkdtemp(join(tmpdir(), "lowrank-learner-"));
afterAll(() => rm(folder, { recursive: true, force: true }));

const example = (...inputIds: number[]): TokenizedExample => ({ inputIds, labels: inputIds });
const lora = (more: object = {}) => new LoraConfig({ r: 1, targetModules: ["q_proj"], ...more });

async function learner(
  config: PeftConfig | null,
  more: Partial<LearnerOptions> = {},
  examples: readonly TokenizedExample[] = [example(1, 2, 3, 4)],
  maxLength = 16,
) {
  const said: string[] = [];
  const model = tinyLlama();
  const saved: unknown[] = [];
  const made = await makeLearner(
    {
      model,
      tokenizer: new Tokenizer({ tokenizerJson: JSON.parse(wordTokenizer) }),
      shapes: describeModel(tinyConfig),
      save: async (place) => void saved.push([place, [...model.parameters()].some(({ requiresGrad }) => requiresGrad)]),
    },
    config,
    examples,
    { padTokenId: 0, maxLength },
    { ...{ optimizer: "adamw", method: "lora", weightDecay: 0.5, batchSize: 1, seed: 0 }, ...more },
    (line) => said.push(line),
  );
  return { ...made, said, base: model, saved };
}

test("an adapter has its targets, its counts and the usual rate of its method", async () => {
  const { said, targets, optimizer, learningRate, ...made } = await learner(lora());
  // Each of the two matrices of rank 1 has 8 values.
  const all = [...made.base.parameters()].reduce((sum, { size }) => sum + size, 0);
  expect(targets).toEqual(["adapter on 1 modules: 1 q_proj"]);
  expect(said).toEqual([
    ...targets,
    `trainable params: 16 || all params: ${all.toLocaleString("en-US")} || trainable%: ${(1600 / all).toFixed(4)}`,
    "learning rate: 0.0002 at its peak (--lr)",
  ]);
  expect([optimizer, learningRate]).toEqual([{ optimizer: "adamw", learningRate: 2e-4, weightDecay: 0.5 }, 2e-4]);
  expect(made).toMatchObject({ changesBase: false, mergeable: true, note: null });
  expect(made.adapted).toBe(made.model);
  const given = await learner(lora(), { lr: 0.5 });
  expect([given.learningRate, given.said.length]).toEqual([0.5, 2]);
  const unlike = await learner(lora(), { seed: 1 });
  const values = async ({ adapted }: typeof given) => [...(await adapted!.adapterFiles()).values()].map(String).join();
  expect(await values(unlike)).not.toBe(await values(given));
});

test("a start from the weights changes the base, and is taken off the adapter", async () => {
  const { changesBase, note, save } = await learner(lora({ initLoraWeights: "pissa" }));
  expect([changesBase, note]).toEqual([true, "LORA less its start, for the base model as it was"]);
  const place = await mkdtemp(join(folder, "pissa-"));
  expect(await save(await folderFiles(place))).toBe(null);
  await expect(learner(lora({ initLoraWeights: "pissa" }), { verify: true })).rejects.toThrow(
    /^--verify cannot be used with .*: the written adapter is for the original base weights, which the command no longer has$/,
  );
});

test("what was written is read again on the first example, up to the longest length", async () => {
  const place = await mkdtemp(join(folder, "verified-"));
  const { save } = await learner(lora(), { verify: true }, [example(1, 2, 3, 4), example(1)], 3);
  expect(await save(await folderFiles(place))).toBe(
    "read again, on an example of 3 tokens: logits differ by 0 at most",
  );
});

test("an adapter that starts from data sees 16 batches at most", async () => {
  for (const [count, batchSize, seen] of [
    [18, 1, 16],
    [33, 2, 16],
    [5, 2, 3],
  ]) {
    const examples = Array.from({ length: count }, (_, i) => example(1 + (i % 9), 2 + (i % 7), 3, 4, 5));
    const slices: [number, number][] = [];
    const slice = (begin: number, end: number) => {
      slices.push([begin, end]);
      return Array.prototype.slice.call(examples, begin, end);
    };
    await learner(lora({ initLoraWeights: "eva" }), { batchSize }, Object.assign(examples, { slice }) as never);
    expect(slices).toEqual(Array.from({ length: seen }, (_, i) => [i * batchSize, (i + 1) * batchSize]));
  }
});

describe("LoRA+", () => {
  test.each([
    ["adamw", AdamW],
    ["adamw8bit", AdamW8bit],
    ["lion", Lion],
    ["adafactor", Adafactor],
    ["muon", Muon],
  ] as const)("%s learns B faster than A", async (optimizer, kind) => {
    const made = await learner(lora(), { optimizer, loraplusLrRatio: 4, lr: 0.25 });
    expect(Object.keys(made.optimizer)).toEqual(["optimizer"]);
    const own = made.optimizer.optimizer as AdamW;
    expect(own).toBeInstanceOf(kind);
    expect(made.learningRate).toBe(0.25);
    expect(new Set(own.groups.map(({ lr }) => lr))).toEqual(new Set([0.25, 1]));
  });

  test("is for methods with A and B", async () => {
    const ia3 = new IA3Config({ targetModules: ["k_proj"], feedforwardModules: [] });
    const message = "--loraplus-lr-ratio is for --method lora, qlora, dora or rslora; leave it out with this method";
    for (const config of [ia3, null]) {
      await expect(learner(config, { loraplusLrRatio: 4 })).rejects.toThrow(message);
    }
  });
});

test("a whole model trains all its parameters until it is saved", async () => {
  const { said, base, saved, save, ...made } = await learner(null, { method: "full" });
  const parameters = [...base.parameters()];
  const count = parameters.reduce((sum, { size }) => sum + size, 0);
  expect(said).toEqual([`all ${count} parameters train`, "learning rate: 0.0002 at its peak (--lr)"]);
  expect(parameters.every(({ requiresGrad }) => requiresGrad)).toBe(true);
  expect(made).toMatchObject({
    adapted: null,
    changesBase: false,
    mergeable: false,
    targets: [],
    note: null,
    config: null,
  });
  expect(await save("place" as never)).toBe(null);
  expect(saved).toEqual([["place", false]]);
  await expect(learner(null, { verify: true })).rejects.toThrow(
    "--verify is for an adapter; leave it out with --method full",
  );
});

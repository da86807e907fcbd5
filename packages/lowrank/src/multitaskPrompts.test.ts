import { Generator, init, noGrad, reference, tensor } from "@lowrank/core";
import { createModel, generate, PromptCache, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, MultitaskPromptTuningConfig } from "@lowrank/peft";
import { beforeAll, describe, expect, test } from "vitest";
import { collate, dpo, evaluate, type TokenizedExample, Trainer, toExample, tokenizeExample } from "./index.gen.ts";

beforeAll(() => init(reference()));

const config = parseModelConfig({
  ...{ model_type: "llama", vocab_size: 12, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, max_position_embeddings: 40, initializer_range: 0.5 },
});
const newPeft = () => {
  const model = createModel(config, randomParameters(new Generator(5))).eval();
  return getPeftModel(model, new MultitaskPromptTuningConfig({ numVirtualTokens: 4, numTasks: 2, numRanks: 4 }));
};
/** Sequences that count upwards for task 0 and downwards for task 1. */
const examples = Array.from({ length: 8 }, (_, i): TokenizedExample => {
  const inputIds = Array.from({ length: 6 }, (_, t) => 1 + ((i % 2 === 0 ? i + t : 20 + i - t) % 9));
  return { inputIds, labels: [...inputIds], taskId: i % 2 };
});
const options = { padTokenId: 0, batchSize: 4, learningRate: 0.1, maxSteps: 30 };

async function trained() {
  const peft = await newPeft();
  await new Trainer(peft, examples, options).train();
  return peft;
}

describe("tasks of examples", () => {
  test("train and are evaluated", async () => {
    const peft = await trained();
    const own = await evaluate(peft, examples, { padTokenId: 0, batchSize: 3 });
    const swapped = examples.map((one) => ({ ...one, taskId: 1 - (one.taskId as number) }));
    const other = await evaluate(peft, swapped, { padTokenId: 0, batchSize: 3 });
    expect(own.loss).toBeLessThan(other.loss);
  });

  test("are those of all examples of a batch, or of none", () => {
    expect(collate(examples.slice(0, 3), { padTokenId: 0 }).taskIds).toEqual([0, 1, 0]);
    const { taskId: _, ...without } = examples[1];
    expect(collate([without], { padTokenId: 0 })).not.toHaveProperty("taskIds");
    expect(() => collate([examples[0], without], { padTokenId: 0 })).toThrow(
      "only some examples have a taskId, example 1 has none; give all examples a taskId, or none",
    );
  });

  test("are missing: the error gives the valid ones", async () => {
    const without = examples.map(({ taskId: _, ...example }) => example);
    await expect(new Trainer(await newPeft(), without, options).train()).rejects.toThrow("give the task of each row");
    const beyond = examples.map((example) => ({ ...example, taskId: 2 }));
    await expect(new Trainer(await newPeft(), beyond, options).train()).rejects.toThrow("from 0 to 1");
  });

  test("come from the column task_id", async () => {
    const tokenizer = { encode: () => [3, 4], eosTokenId: null, applyChatTemplate: () => "" };
    for (const value of [
      { text: "a", task_id: 1 },
      { prompt: "a", completion: "b", task_id: "1" },
    ]) {
      const example = toExample({ value, where: "line 1" });
      expect(example.taskId).toBe(1);
      expect((await tokenizeExample(tokenizer, example)).taskId).toBe(1);
    }
    expect(toExample({ value: { text: "a", task_id: null }, where: "line 1" })).toEqual({ text: "a" });
    for (const task_id of [-1, 0.5, "x"]) {
      expect(() => toExample({ value: { text: "a", task_id }, where: "line 1" })).toThrow(
        `line 1: task_id is ${JSON.stringify(task_id)}; expected a whole number from 0`,
      );
    }
  });

  test("reach the losses of preferences", async () => {
    const pair = { chosen: examples[0], rejected: { ...examples[1], taskId: 0 } };
    const settings = { ...options, maxSteps: 1, ...dpo({ padTokenId: 0 }) };
    const { losses } = await new Trainer(await newPeft(), [pair], settings).train();
    expect(losses).toHaveLength(1);
    const { taskId: _, ...rejected } = examples[1];
    await expect(new Trainer(await newPeft(), [{ ...pair, rejected }], settings).train()).rejects.toThrow(
      "only some examples have a taskId",
    );
  });
});

describe("generate", () => {
  const prompts = [[3], [4, 5, 6], [3]];
  const settings = { maxNewTokens: 4, generationConfig: null };

  test("continues each prompt for its task, as alone", async () => {
    const peft = await trained();
    const together = await generate(peft, prompts, { ...settings, taskIds: [0, 1, 1] });
    for (const [i, taskId] of [0, 1, 1].entries()) {
      expect(await generate(peft, [prompts[i]], { ...settings, taskIds: [taskId] })).toEqual([together[i]]);
    }
    expect(together[0]).not.toEqual(together[2]);
    const repeated = { ...settings, taskIds: [0, 1, 1], numBeams: 2, numReturnSequences: 2 };
    const beams = await generate(peft, prompts, repeated);
    expect(beams.slice(4)).toEqual(await generate(peft, [prompts[2]], { ...repeated, taskIds: [1] }));
    const several = await generate(peft, prompts, {
      ...{ ...settings, doSample: true, topK: 1, numReturnSequences: 2, taskIds: [0, 1, 1] },
    });
    expect(several).toEqual(together.flatMap((one) => [one, one]));
  });

  test("takes the cached prompt of the same task alone", async () => {
    const peft = await trained();
    using promptCache = new PromptCache();
    const run = (taskId: number) => generate(peft, [[4, 5, 6]], { ...settings, promptCache, taskIds: [taskId] });
    await run(0);
    await run(1);
    expect(promptCache.reused).toBe(0);
    expect(await run(1)).toEqual(await generate(peft, [[4, 5, 6]], { ...settings, taskIds: [1] }));
    expect(promptCache.reused).toBe(2);
  });

  test("refuses ids that are not one for each prompt, or none", async () => {
    const peft = await newPeft();
    await expect(generate(peft, prompts, { ...settings, taskIds: [0] })).rejects.toThrow(
      "has 1 elements for 3 prompts; give the task of each prompt",
    );
    await expect(generate(peft, prompts, settings)).rejects.toThrow("the batch has no taskIds");
  });
});

test("a model without such an adapter ignores tasks", async () => {
  const model = createModel(config, randomParameters(new Generator(5))).eval();
  const inputIds = tensor([[1, 2]], { dtype: "i32" });
  const [a, b] = [{}, { taskIds: [7] }].map((more) => noGrad(() => model.forward({ inputIds, ...more })).logits);
  expect(a.dataSync()).toEqual(b.dataSync());
});

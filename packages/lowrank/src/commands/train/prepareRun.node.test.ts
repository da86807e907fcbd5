import { rm } from "node:fs/promises";
import { PrefixTuningConfig } from "@lowrank/peft";
import { afterAll, describe, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";
import { writeTinyBert } from "../../testing/tinyBert.ts";
import { prepareData, readRunOptions } from "./prepareRun.ts";
import type { TrainCommandOptions } from "./train.ts";
import type { TrainReporter } from "./view/trainReporter.ts";

const command = await commandFolder();
afterAll(() => rm(command.folder, { recursive: true, force: true }));

const sized = (...sizes: number[]) => sizes.map((size) => ({ inputIds: Array(size).fill(1), labels: [] }));

/** Returns a task whose training data are `train`. The options of each read are added to `asked`. */
const taskOver = (train: readonly object[], asked: object[] = []) => ({
  texts: (example: object) => [example],
  read: async (_: object, options: object) => {
    asked.push(options);
    return { train, first: train, validation: [], description: "some tokens" };
  },
});

/** Prepares data of examples with one text each, and records what is printed. */
async function prepare(
  more: Partial<TrainCommandOptions> = {},
  given: object = {},
  train = sized(4, 3, 2),
  positions = 300,
) {
  const said: string[] = [];
  const asked: object[] = [];
  const say = (text: string) => void said.push(text);
  const task = taskOver(train, asked);
  const options = { model: "m", data: ["a", "b"], accumulate: 2, batchSize: 1, epochs: 3, ...more };
  const prepared = await prepareData(
    { tokenizer: {} as never, maxPositions: positions, padTokenId: 7 },
    options as TrainCommandOptions,
    { task: task as never, labels: [], configFor: () => null, ...given },
    { note: say, say, warn: ({ code, message }) => say(`${code}: ${message}`) } as TrainReporter,
  );
  return { ...prepared, said, asked };
}

test("data give steps, lengths and batches, with the model's limits as defaults", async () => {
  const { said, asked, ...found } = await prepare();
  expect(said).toEqual(["reading and tokenizing a, b", "data: some tokens"]);
  // 3 examples are 2 steps of at most 2 examples; 3 epochs of them are 4.5 steps.
  expect(found).toMatchObject({ steps: 5, stepsPerEpoch: 2, config: null, labels: [] });
  expect(found).toMatchObject({
    ...{ lengths: { blockSize: 256, maxLength: 300 }, batching: { batchSize: 1, padTokenId: 7, maxLength: 300 } },
  });
  expect(asked).toEqual([expect.objectContaining({ blockSize: 256, maxLength: 300, batchSize: 1 })]);
  expect(await prepare({ steps: 9 }, {}, sized(1), 255)).toMatchObject({
    ...{ steps: 9, stepsPerEpoch: 1, lengths: { blockSize: 255, maxLength: 255 } },
  });
  for (const [labels, line] of [
    [["O", "B"], ["labels: O, B"]],
    [["O"], ["labels: O"]],
    [[], []],
  ]) {
    const { said } = await prepare({}, { labels, task: { ...taskOver(sized(1)), labels: async () => labels } });
    expect(said.slice(1, -1)).toEqual(line);
  }
  const labels = ["LABEL_0"];
  expect((await prepare({}, { labels })).said).toEqual(["reading and tokenizing a, b", "data: some tokens"]);
});

test("examples that are cut are counted", async () => {
  const warned = async (maxLength: number) => (await prepare({ maxLength }, {}, sized(4, 3, 2))).said.slice(2);
  expect(await warned(4)).toEqual([]);
  expect(await warned(2)).toEqual([
    "cut-examples: 2 of 3 examples are longer than 2 tokens (--max-length); what goes beyond is not learned",
  ]);
  expect(await warned(3)).toEqual([expect.stringContaining("1 of 3 examples are longer than 3 tokens")]);
});

test("lengths fit the positions of the model, with virtual tokens before them", async () => {
  const prefix = { configFor: () => new PrefixTuningConfig({ numVirtualTokens: 4 }) };
  expect((await prepare({}, prefix, sized(1), 6)).lengths).toEqual({ blockSize: 2, maxLength: 2 });
  await expect(prepare({}, prefix, sized(1), 5)).rejects.toThrow(
    "the model has 5 positions, which leaves no room for texts in addition to 4 virtual tokens; use fewer virtual tokens, or another model",
  );
  await expect(prepare({}, {}, sized(1), 1)).rejects.toThrow(
    "the model has 1 positions, which leaves no room for texts; use",
  );
  expect((await prepare({ blockSize: 8, maxLength: 8 }, {}, sized(1), 8)).lengths).toEqual({
    blockSize: 8,
    maxLength: 8,
  });
  await expect(prepare({ blockSize: 9 }, {}, sized(1), 8)).rejects.toThrow(
    "--block-size is 9, but the model has 8 positions; give 8 or less",
  );
  await expect(prepare({ maxLength: 5 }, prefix, sized(1), 8)).rejects.toThrow(
    "--max-length is 5, but the model has 4 positions in addition to 4 virtual tokens; give 4 or less",
  );
});

test("an adapter names its base model as PEFT finds it", async () => {
  const baseOf = async (model: string) => {
    const { config } = await prepare({ model }, { configFor: () => new PrefixTuningConfig({ numVirtualTokens: 4 }) });
    return [config?.baseModelNameOrPath, config?.revision];
  };
  expect(await baseOf("models/m")).toEqual(["models/m", null]);
  expect(await baseOf("hf://org/name")).toEqual(["org/name", null]);
  expect(await baseOf("hf://org/name@v1")).toEqual(["org/name", "v1"]);
  expect(await baseOf("hf://org/name/part")).toEqual(["hf://org/name/part", null]);
});

describe("options are read before the model", () => {
  const read = (more: object) =>
    readRunOptions({
      model: command.at("model"),
      data: [command.at("pairs.jsonl")],
      method: "lora",
      task: "sft",
      ...more,
    } as never);

  test("an encoder is refused by tasks that write, and named with the tasks that do not", async () => {
    await writeTinyBert(command, "bert");
    const bert = command.at("bert");
    await expect(read({ model: bert })).rejects.toThrow(
      `--model ${bert} is an encoder and cannot generate text, which --task sft needs; give --task reward, token-classification or contrast`,
    );
    expect((await read({ model: bert, task: "contrast" })).labels).toEqual([]);
    expect((await read({ model: bert, task: "reward" })).labels).toEqual(["LABEL_0"]);
  });

  test("an adapter that starts from data needs a task that can", async () => {
    const eva = { initLoraWeights: "eva" };
    expect((await read(eva)).configFor(3)?.taskType).toBe("CAUSAL_LM");
    await expect(read({ ...eva, task: "reward" })).rejects.toThrow(
      "--task reward does not support adapters that are initialised from data; leave --init-lora-weights out, or use another method",
    );
  });

  test("files are looked for", async () => {
    await expect(read({ validation: "none.jsonl" })).rejects.toThrow("there is no file none.jsonl");
    expect((await read({ method: "full" })).configFor(1)).toBe(null);
  });
});

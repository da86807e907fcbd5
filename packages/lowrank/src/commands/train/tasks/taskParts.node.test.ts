import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Tokenizer } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { evaluate, evaluatePreferences } from "@lowrank/train";
import { init, wasm } from "lowrank";
import { afterAll, describe, expect, test } from "vitest";
import { tinyLlama } from "../../../testing/tinyLlama.ts";
import { wordTokenizer } from "../../../testing/wordTokenizer.ts";
import type { TaskSetting } from "./commandTask.ts";
import { findTask, taskOfFlags, tasks } from "./index.ts";

await init(wasm());
const folder = await mkdtemp(join(tmpdir(), "lowrank-tasks-"));
afterAll(() => rm(folder, { recursive: true, force: true }));
const tokenizer = new Tokenizer({ tokenizerJson: JSON.parse(wordTokenizer) });
const text = (inputIds: number[], labels = inputIds) => ({ inputIds, labels });

test("each task has its kind of model, its flags and its number of sequences", () => {
  const facts = tasks.map(({ name, kind, sequences, flags, lowerIsBetter = [] }) => {
    return [name, kind.taskType, sequences, flags.join(), lowerIsBetter.join()];
  });
  expect(facts).toEqual([
    ["sft", "CAUSAL_LM", 1, "", ""],
    ["dpo", "CAUSAL_LM", 2, "beta,lossType", "rewards/rejected"],
    ["orpo", "CAUSAL_LM", 2, "beta", "rewards/rejected"],
    ["kto", "CAUSAL_LM", 1, "beta", "rewards/rejected"],
    ["reward", "SEQ_CLS", 2, "centerRewardsCoefficient", ""],
    ["token-classification", "TOKEN_CLS", 1, "labels", ""],
    ["contrast", "FEATURE_EXTRACTION", 2, "scale", "cosine_of_others"],
    ["distillation", "CAUSAL_LM", 1, "teacher,beta,temperature", "cross_entropy"],
  ]);
  const those = (is: (task: (typeof tasks)[number]) => boolean) => tasks.filter(is).map(({ name }) => name);
  expect(those(({ comparesWithBase }) => comparesWithBase)).toEqual(["dpo", "kto"]);
  expect(those(({ packs }) => packs)).toEqual(["sft", "distillation"]);
  expect(those(({ probesOwn }) => probesOwn)).toEqual(["reward", "contrast"]);
  expect(those(({ lossOfModel }) => lossOfModel)).toEqual(["sft", "token-classification"]);
  const writers = ["sft", "dpo", "orpo", "kto", "distillation"];
  expect(those(({ kind }) => kind.writes)).toEqual(writers);
  expect(those(({ kind }) => !kind.trainsWhole)).toEqual(["contrast"]);
  expect(those(({ kind }) => kind.startsFromData).sort()).toEqual([...writers, "token-classification"].sort());
});

test("options of other tasks are refused with the tasks that take them", () => {
  const refused = (flags: object, whole = false) => {
    try {
      return taskOfFlags({ task: "sft", ...flags }, whole).name;
    } catch (error) {
      return (error as Error).message;
    }
  };
  expect([refused({}), refused({}, true), refused({ pack: true, metrics: ["f1"] })]).toEqual(["sft", "sft", "sft"]);
  const end = (task: string) => `; leave it out with --task ${task}`;
  expect(refused({ beta: 1 })).toBe(`--beta is for --task dpo, orpo, kto or distillation${end("sft")}`);
  expect(refused({ centerRewardsCoefficient: 0 })).toBe(
    `--center-rewards-coefficient is for --task reward${end("sft")}`,
  );
  for (const flag of ["pack", "blockSize"]) {
    expect(refused({ task: "dpo", [flag]: 1 })).toContain(` is for --task sft or distillation${end("dpo")}`);
  }
  for (const flag of ["metrics", "groupByLength"]) {
    expect(refused({ task: "kto", [flag]: [] })).toContain(` is for --task sft or token-classification${end("kto")}`);
  }
  for (const flag of ["sampleEvery", "samplePrompt"]) {
    expect(refused({ task: "reward", [flag]: 1 })).toContain(
      ` is for --task sft, dpo, orpo, kto or distillation${end("reward")}`,
    );
  }
  expect(refused({ task: "distillation" })).toBe(
    "--task distillation needs a teacher model; give its folder as --teacher",
  );
  expect([refused({ task: "distillation", teacher: "t" }), refused({ task: "dpo" })]).toEqual(["distillation", "dpo"]);
  for (const task of ["dpo", "kto"]) {
    expect(refused({ task }, true)).toBe(
      `--task ${task} compares the model with and without its adapter; give a --method other than full`,
    );
  }
  expect(refused({ task: "contrast" }, true)).toBe(
    "--task contrast can only train an adapter; give a --method other than full",
  );
});

describe("examples", () => {
  const shown = (task: string, example: object, labels: readonly string[] = []) =>
    findTask(task)
      .show(tokenizer, example, labels, 2)
      .map(({ name, tokens, learned, parts }) => [name, tokens, learned, parts.map((part) => part.text).join("|")]);

  test("are shown with their names, up to the longest length", () => {
    const [one, two] = [text([1, 2, 3], [-100, 2, 3]), text([4, 5], [-100, -100])];
    expect(shown("sft", one)).toEqual([[null, 2, 1, "one| two"]]);
    expect(shown("dpo", { chosen: one, rejected: two })).toEqual([
      ["chosen", 2, 1, "one| two"],
      ["rejected", 2, 0, "four five"],
    ]);
    expect(shown("kto", { ...one, desirable: true })[0][0]).toBe("good");
    expect(shown("kto", { ...one, desirable: false })[0][0]).toBe("bad");
    // A reward model and an encoder have no token with a label.
    expect(shown("reward", { chosen: one, rejected: two })).toEqual([
      ["chosen", 2, 0, "one two"],
      ["rejected", 2, 0, "four five"],
    ]);
    expect(shown("contrast", { anchor: one, positive: two }).map(([name]) => name)).toEqual(["anchor", "positive"]);
    expect(shown("contrast", { anchor: one, positive: two, negative: one })[2]).toEqual(["negative", 2, 0, "one two"]);
  });

  test("of tagged words have a label for each learned token", () => {
    const [{ parts, ...facts }] = findTask("token-classification").show(
      tokenizer,
      text([1, 2, 3], [1, -100, 0]),
      ["O", "B"],
      3,
    );
    expect(facts).toEqual({ name: null, tokens: 3, learned: 2 });
    expect(parts).toEqual([
      { text: "one", learned: true, label: "B" },
      { text: "two", learned: false },
      { text: "three", learned: true, label: "O" },
    ]);
  });
});

describe("measures", () => {
  const setting: TaskSetting = {
    padding: { padTokenId: 0, maxLength: 16 },
    flags: { task: "", beta: 0.5 },
    teacher: null,
  };
  const options = { padTokenId: 0, maxLength: 16, batchSize: 2 };
  const adapted = () =>
    getPeftModel(tinyLlama(), new LoraConfig({ r: 2, targetModules: ["q_proj"], initLoraWeights: false }));
  const [a, b, c] = [text([1, 2, 3]), text([4, 5, 6, 7]), text([8, 9])];

  test("of preferences are the rewards of the pairs", async () => {
    const model = await adapted();
    const pairs = [
      { chosen: a, rejected: b },
      { chosen: c, rejected: a },
    ];
    const found = await evaluatePreferences(model, pairs, { ...options, beta: 0.5 });
    for (const task of ["dpo", "orpo"]) {
      expect(await findTask(task).measure(model, pairs, setting, 2)).toEqual({
        ...{ "rewards/chosen": found.chosen, "rewards/rejected": found.rejected },
        ...{ "rewards/margins": found.margin, "rewards/accuracies": found.accuracy },
      });
    }
  });

  test("of judged answers are the mean rewards of the good and of the bad ones", async () => {
    const model = await adapted();
    const mean = async (...rows: (typeof a)[]) => {
      const pairs = rows.map((row) => ({ chosen: row, rejected: row }));
      return (await evaluatePreferences(model, pairs, { ...options, beta: 0.5 })).chosen;
    };
    const [good, bad] = [await mean(a, c), await mean(b)];
    expect(good).not.toBe(bad);
    const measured = (...rows: object[]) => findTask("kto").measure(model, rows, setting, 2);
    const [x, y, z] = [
      { ...a, desirable: true },
      { ...b, desirable: false },
      { ...c, desirable: true },
    ];
    expect(await measured(x, y, z)).toEqual({
      ...{ "rewards/chosen": good, "rewards/rejected": bad, "rewards/margins": good - bad },
    });
    expect(await measured(x, z)).toEqual({ "rewards/chosen": good });
    expect(await measured(y)).toEqual({ "rewards/rejected": bad });
  });

  test("of a distillation are the cross-entropy of the data; of others none", async () => {
    const model = tinyLlama();
    const { loss } = await evaluate(model, [a, b, c], options);
    expect(await findTask("distillation").measure(model, [a, b, c], setting, 2)).toEqual({ cross_entropy: loss });
    for (const task of ["sft", "token-classification"]) {
      expect(await findTask(task).measure(model, [a], setting, 2)).toEqual({});
      expect(findTask(task).own(setting)).toBe(null);
    }
  });
});

describe("data", () => {
  const read = async (task: string, records: readonly object[], batchSize = 2) => {
    const path = join(folder, "data.jsonl");
    await writeFile(path, records.map((record) => JSON.stringify(record)).join("\n"));
    const options = { data: [path], validationFraction: 0, blockSize: 16, batchSize };
    return { path, found: await findTask(task).read(tokenizer, options, ["O"]) };
  };
  const pair = { anchor: "one", positive: "two" };
  const three = { ...pair, negative: "three" };

  test("to contrast have a negative each, or none", async () => {
    expect((await read("contrast", [pair, pair])).found.description).toMatch(/ tokens in 2 pairs to train on, /);
    expect((await read("contrast", [three, three])).found.train).toHaveLength(2);
    const end = " a negative, unlike example 1; give all examples a negative, or none";
    await expect(read("contrast", [pair, pair, three])).rejects.toThrow(`example 3 of --data has${end}`);
    await expect(read("contrast", [three, pair, three])).rejects.toThrow(`example 2 of --data lacks${end}`);
  });

  test("to contrast compare two pairs, or have negatives", async () => {
    const message =
      "a batch of one pair without a negative has nothing to compare with; give more data, a larger --batch-size, or negatives";
    await expect(read("contrast", [pair])).rejects.toThrow(message);
    await expect(read("contrast", [pair, pair], 1)).rejects.toThrow(message);
    expect((await read("contrast", [three])).found.train).toHaveLength(1);
    expect((await read("contrast", [three, three], 1)).found.train).toHaveLength(2);
  });

  test("with tags have their labels, O first and the others in order", async () => {
    const { labels } = findTask("token-classification");
    const { path } = await read("token-classification", [{ words: "one two", tags: "O O" }]);
    const tags = ["C B", "O D", "A C"].map((tags) => JSON.stringify({ words: "one two", tags }));
    await writeFile(path, tags.join("\n"));
    const options = { data: [path], task: "token-classification" };
    expect(await labels!(options)).toEqual(["O", "A", "B", "C", "D"]);
    expect(await labels!({ ...options, labels: ["B", "A"] })).toEqual(["B", "A"]);
  });
});

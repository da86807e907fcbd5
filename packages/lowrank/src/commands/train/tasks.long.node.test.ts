import { cp, readFile, rm, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { commandFolder } from "../../testing/commandFolder.ts";
import { writeTinyBert } from "../../testing/tinyBert.ts";
import { isStep, isValidation, type MetricsLine } from "./files/metricsLog.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const lines = (records: readonly object[]) => records.map((record) => JSON.stringify(record)).join("\n");
const answers = ["a", "b", "c"];

beforeAll(async () => {
  const pairs = Array.from({ length: 24 }, (_, i) => {
    return { prompt: `say ${i % 3}: `, chosen: answers[i % 3], rejected: answers[(i + 1) % 3] };
  });
  const turn = (role: string, content: string) => ({ role, content });
  const chats = pairs.map(({ prompt, chosen, rejected }) => ({
    chosen: [turn("user", prompt), turn("assistant", chosen)],
    rejected: [turn("user", prompt), turn("assistant", rejected)],
  }));
  const judged = pairs.map(({ prompt, chosen, rejected }, i) => {
    return { prompt, completion: i % 2 === 0 ? chosen : rejected, label: i % 2 === 0 };
  });
  await writeFile(at("preferences.jsonl"), lines(pairs));
  await writeFile(at("chats.jsonl"), lines(chats));
  await writeFile(at("judged.jsonl"), lines(judged));
  await writeTinyBert({ at }, "bert");
  const words = ["ann", "sees", "bob"];
  const tagged = pairs.map((_, i) => ({ words: [...words, `x${i}`], tags: ["B-PER", "O", "B-PER", "O"] }));
  await writeFile(at("tagged.jsonl"), lines(tagged));
  await writeFile(at("related.jsonl"), lines(pairs.map((_, i) => ({ anchor: `${i} a`, positive: `a ${i}` }))));
  await cp(at("model"), at("teacher"), { recursive: true });
});

const common = "train --batch-size 4 --steps 8 --lr 2e-2 --save-every 4 --eval-every 4 --validation-fraction 0.25";
const words = (task: string, output: string, ...more: string[]) => [
  ...common.split(" "),
  ...["--model", onBert.includes(task) ? "bert" : "model", "--task", task, "--output", output, ...more],
];
/** Tasks that train encoders. */
const onBert = ["token-classification", "contrast"];
const weights = (name: string) => readFile(at(`${name}/adapter_model.safetensors`), "hex");
const metrics = async (name: string): Promise<MetricsLine[]> =>
  (await readFile(at(`${name}/metrics.jsonl`), "utf8"))
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

describe.each([
  ["dpo", "preferences.jsonl", [], "eval_rewards/margins", "--beta", "0.3"],
  ["orpo", "chats.jsonl", ["--beta", "2"], "eval_rewards/margins", "--beta", "0.3"],
  ["kto", "judged.jsonl", [], "eval_rewards/margins", "--beta", "0.3"],
  ["distillation", "pairs.jsonl", ["--teacher", "full"], "eval_cross_entropy", "--temperature", "2"],
  ["reward", "chats.jsonl", [], "eval_margin", "--center-rewards-coefficient", "0.1"],
  ["token-classification", "tagged.jsonl", [], "eval_accuracy", "--batch-size", "3"],
  ["contrast", "related.jsonl", ["--lr", "3e-3"], "eval_cosine_accuracy@1", "--scale", "5"],
] as const)("--task %s", (task, data, more, measure, changed, value) => {
  beforeAll(async () => {
    if (task === "distillation") {
      await succeed([
        ..."train --model model --data pairs.jsonl --steps 20 --lr 1e-2 --method full".split(" "),
        "--output",
        "full",
      ]);
    }
    await succeed(words(task, `${task}-whole`, "--data", data, ...more));
  }, 60_000);

  test("learns, and its measurements are printed and written", async () => {
    const found = await metrics(`${task}-whole`);
    const validations = found.filter(isValidation).map((line): Readonly<Record<string, number>> => ({ ...line }));
    expect(validations.map(({ step }) => step)).toEqual([0, 4, 8]);
    const [first, , last] = validations;
    expect(last.eval_loss).toBeLessThan(first.eval_loss);
    if (task === "distillation") expect(last[measure]).toBeLessThan(first[measure]);
    else expect(last[measure]).toBeGreaterThan(first[measure]);
    if (task !== "token-classification") expect(first).not.toHaveProperty("eval_perplexity");
    for (const { tokens_per_second } of found.filter(isStep)) expect(tokens_per_second).toBeGreaterThan(0);
    const again = await succeed(words(task, `${task}-again`, "--data", data, ...more));
    const name = measure.slice("eval_".length).replaceAll("_", " ");
    expect(again.stdout).toContain(`validation ${name}: ${first[measure].toFixed(4)} at step 0, `);
    expect(again.stdout).toMatch(/^validation loss.*: [\d.]+ at step 0.*, [\d.]+ at step 8/m);
    expect(again.stdout).toContain("bit-identical");
    expect(await readFile(at(`${task}-again/report.html`), "utf8")).toContain(`Validation ${name}`);
  });

  test("goes on from a checkpoint to the same bits, and refuses other options by their names", async () => {
    await succeed(words(task, `${task}-resumed`, "--data", data, ...more, "--resume", `${task}-whole/checkpoint-4`));
    expect(await weights(`${task}-resumed`)).toBe(await weights(`${task}-whole`));
    const other = words(task, `${task}-other`, "--data", data, ...more, "--resume", `${task}-whole/checkpoint-4`);
    const refused = await lowrank([...other, changed, value]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(`${changed} is ${value}, and `);
    const otherWords =
      task === "distillation" ? words("sft", "x", "--data", data) : words("orpo", "x", "--data", "chats.jsonl");
    if (task === "orpo" || onBert.includes(task)) return;
    const otherTask = await lowrank([...otherWords, "--resume", `${task}-whole/checkpoint-4`]);
    // A model with a head has other tensors than a decoder.
    expect(otherTask.stderr).toContain(
      task === "reward" ? "resume with the same model and adapter" : `"${task}" in the checkpoint`,
    );
  });
});

describe("the best evaluation by a task's own measurement", () => {
  const best = (name: string, ...more: string[]) =>
    ["--metric-for-best-model", name, "--load-best-model-at-end", "--eval-every", "2", ...more] as const;
  const measured = async (output: string, measure: string) =>
    (await metrics(output)).filter(isValidation).map((line): [number, number] => {
      return [line.step, ({ ...line } as Record<string, number>)[`eval_${measure}`]];
    });

  test.each([
    ["dpo", "preferences.jsonl", "rewards/margins", Math.max],
    ["dpo", "preferences.jsonl", "rewards/rejected", Math.min],
    ["reward", "chats.jsonl", "margin", Math.max],
    ["token-classification", "tagged.jsonl", "eval_f1", Math.max],
    ["contrast", "related.jsonl", "cosine_of_others", Math.min],
  ] as const)("--task %s, %s, --metric-for-best-model %s", async (task, data, measure, extreme) => {
    const output = `best-${task}-${measure.replace("/", "-")}`;
    const { stdout } = await succeed(words(task, output, "--data", data, ...best(measure), "--json"));
    const found = (await measured(output, measure.replace("eval_", ""))).slice(1);
    const value = extreme(...found.map(([, value]) => value));
    const step = found.find((one) => one[1] === value)?.[0];
    expect(JSON.parse(stdout).best).toEqual({ step, metric: value });
  });

  test("a measurement that stays the same ends the run, and one that there is not is told before the first step", async () => {
    // After two steps, all pairs are ranked correctly.
    const stop = best("rewards/accuracies", "--early-stopping-patience", "1");
    const { stdout } = await succeed(words("dpo", "stops", "--data", "preferences.jsonl", ...stop));
    expect(stdout).toContain("best evaluation: step 2, 1.0000\nstopped early, after step 4 of 8");
    const { code, stderr: said } = await lowrank(
      words("dpo", "typo", "--data", "preferences.jsonl", ...best("margin")),
    );
    expect(said).toContain('--metric-for-best-model "margin" is not a metric of the evaluations; available: loss');
    expect(said).toContain("rewards/margins");
    expect(code).toBe(1);
  });
});

test("another teacher is another run", async () => {
  const more = ["--data", "pairs.jsonl", "--teacher", "model", "--resume", "distillation-whole/checkpoint-4"];
  const { stderr } = await lowrank(words("distillation", "taught", ...more));
  expect(stderr).toMatch(/--teacher is "\w{16}", and "\w{16}" in the checkpoint/);
});

test("a dry run counts both answers of a pair", async () => {
  const { stdout } = await succeed(words("dpo", "dry", "--data", "preferences.jsonl", "--dry-run"));
  expect(stdout).toMatch(/memory: .* in a step of 8 x \d+ tokens/);
  expect(stdout).toContain("say 0: [[a</s>]]");
});

test.each([
  ["dpo", "preferences.jsonl"],
  ["orpo", "chats.jsonl"],
  ["kto", "judged.jsonl"],
  ["reward", "chats.jsonl"],
  ["token-classification", "tagged.jsonl"],
  ["contrast", "related.jsonl"],
])("a dry run counts the activations of --task %s, as many as it has", async (task, data) => {
  const memory = async (...more: string[]) => {
    const { stdout } = await succeed(words(task, "dry", "--data", data, "--dry-run", "--json", ...more));
    return JSON.parse(stdout).memory;
  };
  const [one, two] = [await memory("--batch-size", "4"), await memory("--batch-size", "8")];
  expect(one.training.activations).toBeGreaterThan(0);
  // Twice as many examples have about twice the activations.
  expect(two.training.activations / one.training.activations).toBeGreaterThan(1.6);
  expect(two.training.activations / one.training.activations).toBeLessThan(2.4);
});

test("options of other tasks, missing ones and wrong records are errors that say what to do", async () => {
  const said = async (...list: string[]) => (await lowrank(list)).stderr;
  expect(await said(...words("sft", "x", "--data", "pairs.jsonl", "--beta", "1"))).toContain(
    "--beta is for --task dpo, orpo, kto or distillation; leave it out with --task sft",
  );
  expect(await said(...words("dpo", "x", "--data", "preferences.jsonl", "--teacher", "model"))).toContain(
    "--teacher is for --task distillation",
  );
  expect(await said(...words("distillation", "x", "--data", "pairs.jsonl"))).toContain("give its folder as --teacher");
  expect(await said(...words("dpo", "x", "--data", "preferences.jsonl", "--method", "full"))).toContain(
    "compares the model with and without its adapter; give a --method other than full",
  );
  expect(await said(...words("dpo", "x", "--data", "pairs.jsonl"))).toMatch(
    /pairs.jsonl:1: .*; expected \{"prompt", "chosen", "rejected"\}, found keys prompt, completion/,
  );
  expect(await said(...words("kto", "x", "--data", "pairs.jsonl"))).toContain("label is undefined");
  expect(await said(...words("dpo", "x", "--data", "preferences.jsonl", "--pack"))).toContain(
    "--pack is for --task sft",
  );
});

test("data are streamed and bad records skipped, told by file and line, to the same bits", async () => {
  const good = (await readFile(at("preferences.jsonl"), "utf8")).split("\n");
  const bad = ["{", '{"prompt": "a", "chosen": "b", "rejected": "b"}', '{"prompt": 1}'];
  await writeFile(at("bad.jsonl"), [...bad.slice(0, 2), ...good, bad[2]].join("\n"));
  const refused = await lowrank(words("dpo", "x", "--data", "bad.jsonl", "--stream", "--data-cache", "cache"));
  expect(refused.stderr).toContain("bad.jsonl:1: not valid JSON");
  const skip = ["--on-bad-record", "skip", "--data", "bad.jsonl"];
  const listed = await succeed(words("dpo", "listed", ...skip));
  const streamed = await succeed(words("dpo", "streamed", ...skip, "--stream", "--data-cache", "cache"));
  for (const { stderr } of [listed, streamed]) {
    expect(stderr).toMatch(
      /3 records were skipped: bad.jsonl:1: .*bad.jsonl:2: chosen and rejected are the same.*bad.jsonl:27: /,
    );
  }
  expect(streamed.stdout).toContain("18 pairs to train on, read from disk when they are wanted");
  expect(await weights("listed")).toBe(await weights("streamed"));
  expect(await weights("listed")).toBe(await weights("dpo-whole"));
});

test.each([
  ["orpo", "chats.jsonl"],
  ["kto", "judged.jsonl"],
  ["reward", "chats.jsonl"],
  ["token-classification", "tagged.jsonl"],
  ["contrast", "related.jsonl"],
])("--task %s streams to the bits of data in memory", async (task, data) => {
  const own = { orpo: ["--beta", "2"], contrast: ["--lr", "3e-3"] }[task] ?? [];
  const streamed = ["--stream", "--data-cache", "cache", "--data", data, ...own];
  await succeed(words(task, `${task}-streamed`, ...streamed));
  expect(await weights(`${task}-streamed`)).toBe(await weights(`${task}-whole`));
});

import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { logSoftmax, tensor } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { nanoModelFolder } from "@lowrank/nano";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { answerChoices, measurePerplexity } from "@lowrank/train";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { runCommand } from "../../testing/runCommand.ts";

const nano = fileURLToPath(nanoModelFolder);
let folder: string;
let model: CausalLM;
let tokenizer: Tokenizer;
const at = (name: string) => join(folder, name);
const lines = (name: string, records: readonly object[]) =>
  writeFile(at(name), records.map((record) => JSON.stringify(record)).join("\n"));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-eval-"));
  const loaded = await loadModel(nanoModelFolder);
  model = loaded.model;
  tokenizer = loaded.tokenizer as Tokenizer;
  await lines("pairs.jsonl", [
    { prompt: "print the sum of cost and 7\n", completion: "print(cost + 7)" },
    { prompt: "print the sum of cost and 8\n", completion: "console.log(cost + 8);" },
    { prompt: "print the sum of price and 5\n", completion: " print(price + 5)\n" },
  ]);
  await lines("gsm.jsonl", [
    { question: "1 + 1?", answer: "2\n#### 2" },
    { question: "print 3", answer: "it is 3\n#### 3" },
    { question: "print 4", answer: "it is 4\n#### 4" },
  ]);
  await writeFile(at("text.txt"), "print the sum of cost and 7\nprint(cost + 7)\n");
  const adapter = await getPeftModel(
    loaded.model,
    new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["v_proj"] }),
  );
  await adapter.savePretrained(at("adapter"));
  model = adapter.unload();
});
afterAll(() => rm(folder, { recursive: true, force: true }));

type Results = Record<string, Record<string, { value: number; standardError: number | null }>>;

async function evaluated(
  task: string,
  data: string,
  ...more: string[]
): Promise<{ questions: number; results: Results }> {
  const { code, stdout, stderr } = await runCommand([
    "eval",
    nano,
    "--task",
    task,
    "--data",
    at(data),
    "--json",
    ...more,
  ]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  return JSON.parse(stdout);
}

/** Returns the log-probability of each token given those before it, with one pass over all. */
async function logProbabilities(ids: readonly number[]): Promise<number[]> {
  const { logits } = model.forward({
    inputIds: tensor(Int32Array.from(ids), { shape: [1, ids.length], backend: model.backend }),
  });
  const all = (await logSoftmax(logits, { dim: -1 }).data()) as Float32Array;
  return ids.slice(1).map((id, i) => all[i * model.vocabSize + id]);
}

test("exact match counts answers that are right to the character, base and adapters side by side", async () => {
  const { results, questions } = await evaluated(
    "exact-match",
    "pairs.jsonl",
    "--adapter",
    at("adapter"),
    "--batch-size",
    "2",
  );
  expect(questions).toBe(3);
  expect(results.base.exact_match.value).toBeCloseTo(2 / 3, 12);
  expect(results.base.exact_match.standardError).toBeCloseTo(1 / 3, 12);
  expect(results.adapter.exact_match.value).toBe(0);
  expect((await evaluated("exact-match", "pairs.jsonl", "--limit", "1")).results.base.exact_match.value).toBe(1);
});

test("the results file has all answers", async () => {
  const words = ["eval", nano, "--task", "exact-match", "--data", at("pairs.jsonl"), "--output", at("results.json")];
  const { stdout } = await runCommand([...words, "--adapter", at("adapter")]);
  expect(stdout).toMatch(/exact_match +0\.6667 ±0\.3333 +0\.0000 ±0\.0000/);
  const { samples } = JSON.parse(await readFile(at("results.json"), "utf8"));
  expect(samples.base[0]).toMatchObject({ answer: "print(cost + 7)", right: true });
  expect(samples.adapter).toHaveLength(3);
});

test("choices are told apart by log-probability, and by that of a character", async () => {
  const question = { prompt: "print the sum of cost and 7\n", choices: ["print(cost + 7)", "x"], answer: 0 };
  const found = await answerChoices(model, tokenizer, question);
  const prompt = tokenizer.encode(question.prompt.trimEnd());
  for (const [i, choice] of question.choices.entries()) {
    const whole = tokenizer.encode(`${question.prompt} ${choice}`);
    const after = (await logProbabilities(whole)).slice(prompt.length - 1);
    expect(found.logLikelihoods[i]).toBeCloseTo(
      after.reduce((sum, x) => sum + x, 0),
      4,
    );
  }
  const [long, short] = found.logLikelihoods;
  expect(found.likeliest).toBe(long > short ? 0 : 1);
  expect(found.likeliestByLength).toBe(long / 15 > short ? 0 : 1);
  // Three ways to give the correct choice.
  await lines("choices.jsonl", [
    question,
    { question: question.prompt, endings: question.choices, label: "A" },
    { question: question.prompt, choices: { text: question.choices, label: ["1", "2"] }, answerKey: "1" },
  ]);
  const { results } = await evaluated("multiple-choice", "choices.jsonl");
  expect(results.base.acc.value).toBe(found.likeliest === 0 ? 1 : 0);
  expect(results.base.acc_norm.value).toBe(found.likeliestByLength === 0 ? 1 : 0);
});

test("perplexity is that of one pass, by token, word and byte", async () => {
  const text = await readFile(at("text.txt"), "utf8");
  const each = await logProbabilities(tokenizer.encode(text));
  const sum = -each.reduce((total, x) => total + x, 0);
  const { base } = (await evaluated("perplexity", "text.txt")).results;
  expect(base.token_perplexity.value).toBeCloseTo(Math.exp(sum / each.length), 3);
  expect(base.word_perplexity.value / Math.exp(sum / 10)).toBeCloseTo(1, 5);
  expect(base.byte_perplexity.value).toBeCloseTo(Math.exp(sum / text.length), 4);
  expect(base.bits_per_byte.value).toBeCloseTo(sum / text.length / Math.log(2), 4);
});

test("windows that overlap predict each token once, after what they hold before it", async () => {
  const text = await readFile(at("text.txt"), "utf8");
  const ids = tokenizer.encode(text);
  const found = await measurePerplexity(model, tokenizer, [text], { maxLength: 8, stride: 3 });
  expect(found.tokens).toBe(ids.length - 1);
  let sum = 0;
  for (let [begin, from] = [0, 0]; from < ids.length; begin += 3) {
    const end = Math.min(begin + 8, ids.length);
    const each = await logProbabilities(ids.slice(begin, end));
    for (let i = Math.max(from, begin + 1); i < end; i++) sum -= each[i - begin - 1];
    from = end;
  }
  expect(found.tokenPerplexity).toBeCloseTo(Math.exp(sum / found.tokens), 3);
});

test("GSM8K shows solved problems, and reads the numbers of the answers", async () => {
  const { questions, results } = await evaluated("gsm8k", "gsm.jsonl", "--num-fewshot", "1", "--max-new-tokens", "8");
  expect(questions).toBe(2);
  expect(Object.keys(results.base)).toEqual(["exact_match,strict-match", "exact_match,flexible-extract"]);
  const { stderr } = await runCommand(["eval", nano, "--task", "gsm8k", "--data", at("gsm.jsonl")]);
  expect(stderr).toContain("has 3 problems, but --num-fewshot needs 5 of them as examples; give --fewshot-data");
});

test("adapters of folders with one name are told apart, and the table has a title", async () => {
  await cp(at("adapter"), at("other/adapter"), { recursive: true });
  const words = ["--data", at("pairs.jsonl"), "--limit", "1", "--output", at("two.json"), "--max-new-tokens", "1"];
  const adapters = ["--adapter", at("adapter"), "--adapter", at("other/adapter")];
  const { stdout, stderr } = await runCommand(["eval", nano, "--task", "exact-match", ...words, ...adapters]);
  expect(stderr).toBe(`wrote ${at("two.json")}\n`);
  expect(stdout).toMatch(/^exact-match of \S+ on pairs\.jsonl, 1 questions\n\n +base +adapter +\S*other\/adapter\n/);
  expect(stdout).toMatch(/^exact_match +0\.0000 +0\.0000 +0\.0000$/m);
  const text = await readFile(at("two.json"), "utf8");
  expect(text).toMatch(/^\{\n {2}"task": "exact-match",\n.*\n\}\n$/s);
  const { results, samples, settings, questions } = JSON.parse(text);
  expect(Object.keys(results)).toEqual(["base", "adapter", at("other/adapter")]);
  expect(Object.keys(samples)).toEqual(Object.keys(results));
  expect([settings, questions]).toEqual([{ limit: 1, batchSize: 8, maxNewTokens: 1 }, 1]);
  const perplexity = await runCommand(["eval", nano, "--task", "perplexity", "--data", at("text.txt")]);
  expect(perplexity.stdout).toMatch(/^perplexity of \S+ on text\.txt\n\n/);
});

test("lengths leave room for a prompt", async () => {
  const most = model.maxPositions;
  const failing = async (...words: string[]) => (await runCommand(["eval", nano, ...words], { cwd: folder })).stderr;
  const match = ["--task", "exact-match", "--data", "pairs.jsonl"];
  expect(await failing(...match, "--max-new-tokens", `${most}`)).toBe(
    `error: --max-new-tokens ${most} leaves no room for a prompt in the model's ${most} positions; lower it\n`,
  );
  expect(await failing(...match, "--system", "x")).toBe("error: --system needs --chat; add it\n");
  const perplexity = ["--task", "perplexity", "--data", "text.txt", "--max-length"];
  expect(await failing(...perplexity, `${most + 1}`)).toBe(
    `error: --max-length ${most + 1} exceeds the model's ${most} positions\n`,
  );
  expect(await failing(...perplexity, `${most}`)).toBe("");
});

test.each([
  [["--task", "perplexity", "--data", "text.txt", "--chat"], "--chat is for --task exact-match and gsm8k"],
  [["--task", "exact-match", "--data", "text.txt"], "text.txt, line 1 is not valid JSON"],
  [["--task", "multiple-choice", "--data", "pairs.jsonl"], 'pairs.jsonl, line 1: expected "choices"'],
  [["--task", "exact-match", "--data", "nowhere.jsonl"], "there is no file nowhere.jsonl"],
  [["--task", "perplexity", "--data", "text.txt", "--max-length", "4", "--stride", "5"], "--stride"],
])("eval %j is refused", async (words, message) => {
  const { code, stderr } = await runCommand(["eval", nano, ...words], { cwd: folder });
  expect([code, stderr]).toEqual([1, expect.stringContaining(message)]);
});

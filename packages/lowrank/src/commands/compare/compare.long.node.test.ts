import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { generatePairs, nanoModelFolder } from "@lowrank/nano";
import { hasRedis, startRedis } from "@lowrank/test-support/redis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { runCommand } from "../../testing/runCommand.ts";
import { startProcess } from "../../testing/startProcess.ts";

let temporary: string;
const at = (name: string) => join(temporary, name);
const compare = (words: string, ...more: string[]) => runCommand(["compare", ...words.split(" "), ...more]);
const short = "--steps 2 --batch-size 4 --train-examples 16 --test-examples 8 --virtual-tokens 4 --r 2";

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), "lowrank-compare-"));
  const pairs = generatePairs({ language: "lua", split: "train", count: 20, seed: 0 });
  await writeFile(at("pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
  await writeFile(at("text.txt"), "print the value of the sum. ".repeat(100));
});

afterAll(() => rm(temporary, { recursive: true, force: true }));

describe("methods on the embedded model's task", () => {
  const words = `${short} --methods qlora,prefix --seeds 2`;

  test("are measured in processes of their own, and laid side by side", async () => {
    const { code, stdout, stderr } = await compare(words, "--output", at("out"), "--json");
    expect(stderr).toMatch(/^\[1\/4\] qlora, seed 0: loss [\d.]+, [\d.]+ % right, \d+ ms a step/);
    expect(code).toBe(0);
    const { methods, runs } = JSON.parse(stdout);
    expect(methods.map(({ method }: { method: string }) => method)).toEqual(["QLoRA (NF4)", "prefix tuning"]);
    const [qlora, prefix] = methods;
    expect([qlora.seeds, qlora.learningRate, qlora.trainable]).toEqual([2, 3e-3, 107_520 / 8]);
    expect(prefix.trainable).toBe(4 * 2 * 3 * 64);
    expect(qlora.mergedLatencyMilliseconds).toBeGreaterThan(0);
    expect(prefix.mergedLatencyMilliseconds).toBeNull();
    // Prefixes start at random and have not been trained long enough.
    expect(qlora.loss).toBeLessThan(runs[0].measured.lossBefore);
    expect(qlora.lossDeviation).toBeGreaterThan(0);
    for (const { measured } of runs) {
      expect(measured.peakProcessBytes).toBeGreaterThan(measured.peakTensorBytes);
      expect(measured.exactMatch).toBeGreaterThanOrEqual(0);
    }
    expect((await readdir(at("out"))).sort()).toEqual([
      ...["comparison.csv", "comparison.html", "comparison.json", "comparison.md", "runs"],
    ]);
    const html = await readFile(at("out/comparison.html"), "utf8");
    expect(html.match(/<svg /g)).toHaveLength(9);
    expect(html).toContain("<p>nano learns JavaScript in the place of Python: 2 steps of 4 examples, 2 seeds;");
    expect(stdout).not.toContain(fileURLToPath(nanoModelFolder));
  });

  test("use the given targets for every method that has targets", async () => {
    const { code, stdout } = await compare(`${short} --methods ia3,ln --seeds 1 --target-modules q_proj --json`);
    expect(code).toBe(0);
    const { methods } = JSON.parse(stdout);
    // Three layers of 128 features: IA3 trains a vector for each query, LN tuning trains the weight.
    expect(methods.map(({ trainable }: { trainable: number }) => trainable)).toEqual([3 * 128, 3 * 128 * 128]);
  });

  test("take a precision, and say it", async () => {
    const { code, stdout, stderr } = await compare(`${short} --methods lora --seeds 1 --precision high`);
    expect(stderr).toMatch(/lora, seed 0: loss/);
    expect(code).toBe(0);
    expect(stdout).toContain("2 steps of 4 examples, 1 seed, high precision; loss before");
  });

  test("are kept, so that the same command goes on, and another one says so", async () => {
    const before = await readFile(at("out/comparison.json"), "utf8");
    await rm(at("out/runs/prefix-1.json"));
    const again = await compare(words, "--output", at("out"), "--json");
    expect(again.stderr.match(/\(kept\)/g)).toHaveLength(3);
    const losses = (json: string) => JSON.parse(json).methods.map(({ loss }: { loss: number }) => loss.toFixed(3));
    expect(losses(again.stdout)).toEqual(losses(before));
    const { code, stderr } = await compare(words.replace("--steps 2", "--steps 3"), "--output", at("out"));
    expect(stderr).toMatch(/^error: .*qlora-0.json is the result of a run with other settings; give another --output/);
    expect(code).toBe(1);
  });
});

test("other data: pairs have answers, texts a loss alone", async () => {
  const model = ["--model", fileURLToPath(nanoModelFolder)];
  const words = `${short} --methods lora --seeds 1`;
  const pairs = await compare(words, ...model, "--data", at("pairs.jsonl"), "--json");
  expect(JSON.parse(pairs.stdout).runs[0].measured).toMatchObject({ testExamples: 2, exactMatch: 0 });
  const text = await compare(`${words} --block-size 32`, ...model, "--data", at("text.txt"));
  expect(text.stdout).toMatch(/LoRA .* -\n/);
  const both = await compare(`${words} --forgetting`, at("text.txt"), ...model, "--data", at("pairs.jsonl"), "--json");
  const { earlierLossBefore, earlierLoss } = JSON.parse(both.stdout).runs[0].measured;
  expect(earlierLossBefore).toBeGreaterThan(0);
  expect(JSON.parse(both.stdout).methods[0].forgetting).toBeCloseTo(earlierLoss - earlierLossBefore, 12);
  expect(text.stdout).not.toContain("forgetting");
  expect(text.stdout).toContain("learning rates: LoRA ");
  expect(text.stdout).toMatch(/^model learns text\.txt: 2 steps of 4 examples/);
});

test("a budget chooses the size of each method that has one", async () => {
  const words = `${short} --methods lora,ia3,prompt --seeds 1 --budgets 7000,8200,14000 --json`;
  const { code, stdout, stderr } = await compare(words, "--output", at("sized"));
  expect(code).toBe(0);
  expect(stderr).toContain("[1/5] lora, r 1, seed 0: loss");
  const { methods } = JSON.parse(stdout);
  expect(methods.map(({ method, trainable }: Record<string, unknown>) => [method, trainable])).toEqual([
    ["LoRA, r 1", 6720],
    ["LoRA, r 2", 13_440],
    ["(IA)³", expect.any(Number)],
    ["prompt tuning, virtual-tokens 55", 55 * 128],
    ["prompt tuning, virtual-tokens 64", 64 * 128],
  ]);
  const none = await compare(`${short} --methods lora --seeds 1 --budgets 100 --json`);
  expect(none.stderr).toContain("warning: LoRA cannot train about 100 parameters: --r 1 is nearest, with 6720");
  expect(JSON.parse(none.stdout).methods[0].method).toBe("LoRA");
});

test("a run that fails says why, beside those that do not", async () => {
  const { code, stdout } = await compare(`${short} --methods ia3,bitfit --seeds 1 --lr ia3=0.01`);
  expect(stdout).toContain("bitfit, seed 0: BitFit trains biases, and this model has none");
  expect(stdout).toContain("learning rates: (IA)³ 0.01.");
  expect(code).toBe(0);
});

test.each([
  ["--methods lora,loar", 'error: there is no method "loar"'],
  ["--model somewhere", "error: --model needs --data"],
  ["--model ./somewhere --data text.txt", "error: there is no file or folder ./somewhere"],
  [`--model ${fileURLToPath(nanoModelFolder)} --data nowhere.txt`, "error: there is no file nowhere.txt"],
  ["--lr dora=1e-3 --methods lora", "error: --lr names dora, which --methods lacks; add it to --methods"],
  ["--lr lora=fast", "Expected pairs of a method and a number above 0"],
  ["--set dora.alpha=1 --methods lora", "error: --set names dora, which --methods lacks; add it to --methods"],
  ["--set lora=1", "Expected method.option=value, such as houlsby.reduction-factor=8"],
  ["--set lora.alfa=1 --methods lora", "error: --set lora.alfa: lora has no option alfa; it has r, "],
  ["--forgetting nowhere.txt --methods lora", "error: --forgetting needs --model and --data"],
  ["--seeds 0", "Expected a whole number of at least 1"],
])("misuse: %s", async (words, message) => {
  const { code, stderr } = await compare(words);
  expect(stderr).toContain(message);
  expect(code).toBe(1);
});

test.skipIf(!hasRedis)(
  "workers of a queue run it, though one is killed at it: the same losses, table and page, each run once",
  async () => {
    await mkdir(at("redis"));
    const redis = await startRedis(at("redis"));
    // Also if the test fails: a server that runs on would keep the whole run from ending.
    onTestFinished(() => redis.stop());
    await cp(fileURLToPath(nanoModelFolder), at("small"), { recursive: true });
    const words = `${short.replace("--train-examples 16 ", "")} --methods lora,dora,bitfit --seeds 1 --steps 500 --json`;
    const run = (output: string, ...more: string[]) =>
      compare(words, "--model", at("small"), "--data", at("pairs.jsonl"), "--output", at(output), ...more);
    const queued = ["--queue", redis.url, "--store", at("store")];
    const args = ["worker", at("small"), ...queued, "--lock-seconds", "2"];
    const start = () => startProcess(args, /taking jobs/, { cwd: temporary });
    let worker = await start();
    try {
      const here = await run("here");
      const ordered = run("there", ...queued);
      const begun = () => /(ftjob-\S+): attempt 1\n$/.exec(worker.stderr())?.[1];
      await expect.poll(begun, { timeout: 30_000, interval: 20 }).toBeDefined();
      const id = begun();
      // The run is training by then, and takes some seconds.
      await pause(500);
      expect(begun()).toBe(id);
      await worker.kill();
      worker = await start();
      const there = await ordered;
      const told = worker.stderr().match(/ftjob-\S+: trained/g) ?? [];
      expect(new Set(told)).toContain(`${id}: trained`);
      expect(told.length).toBe(2);
      const losses = ({ stdout }: { stdout: string }) =>
        JSON.parse(stdout).runs.map(({ measured, error }: { measured?: { loss: number }; error?: string }) => {
          return measured?.loss ?? error;
        });
      expect(there.code).toBe(0);
      expect(losses(there)).toEqual(losses(here));
      expect(losses(there)[2]).toContain("BitFit trains biases");
      const titles = async (output: string) => {
        const page = await readFile(at(`${output}/comparison.html`), "utf8");
        return page.match(/<(title|h1|h2|th)[^>]*>[^<]*/g);
      };
      expect(await titles("there")).toEqual(await titles("here"));
    } finally {
      await worker.stop();
    }
    // Without a worker: existing outcomes are read from the store, and saved in another folder.
    const again = await run("again", ...queued, "--methods", "lora");
    expect(again.code).toBe(0);
    expect(again.stderr).toMatch(/\[1\/1\] lora, seed 0: loss/);
  },
  240_000,
);

test("misuse: a queue needs a store, a model and data", async () => {
  const { stderr } = await compare("--queue redis://127.0.0.1:1 --store somewhere");
  expect(stderr).toContain("error: --queue needs --model too; give both, or leave --queue and --store out");
});

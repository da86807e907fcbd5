import { existsSync } from "node:fs";
import { readFile, rm } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import { afterAll, expect, test } from "vitest";
import { describeSearch } from "../../commands/train/findRate.ts";
import { commandFolder } from "../../testing/commandFolder.ts";

const { folder, at, lowrank, succeed } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));

const common = ["train", "--model", "model", "--data", "pairs.jsonl", "--batch-size", "2", "--r", "2"];
const failure = async (...words: string[]) => {
  const { code, stderr } = await lowrank([...common, "--output", "failed", ...words]);
  expect(code).toBe(1);
  return stderr;
};

test("--find-lr prints what rates do, suggests one, and writes nothing", async () => {
  const { stdout } = await succeed([...common, "--output", "searched", "--find-lr"]);
  expect(stdout).toMatch(/learning rate {7}loss\n +1.0e-6 {2}/);
  expect(stdout).toMatch(/suggested: --lr [\d.e-]+, where the loss falls the fastest; nothing was written/);
  expect(existsSync(at("searched"))).toBe(false);
});

test("a search without a fall, or that ended, says so", () => {
  const trials = [1, 2, 3].map((i) => ({ learningRate: 10 ** -i, loss: i, smoothedLoss: i }));
  const lines = describeSearch({ suggestion: null, trials, diverged: true });
  expect(lines.slice(1, 4).map((line) => line.replace(/[^#]/g, "").length)).toEqual([1, 21, 40]);
  expect(lines.slice(4)).toEqual(["above 1.0e-3 the loss leaves all bounds", "the loss falls at none of these rates"]);
});

test("the best evaluation's weights are written, and a run without gain stops", async () => {
  const best = ["--load-best-model-at-end", "--early-stopping-patience", "2", "--metrics", "accuracy,exactMatch"];
  const words = ["--lr", "10", "--steps", "20", "--eval-every", "1", "--max-grad-norm", "0", "--method", "full"];
  const { stdout, stderr } = await succeed([...common.slice(0, -2), "--output", "best", ...words, ...best]);
  expect(stdout).toMatch(/best evaluation: step \d+, \d/);
  expect(stdout).toMatch(/stopped early, after step \d+ of 20/);
  expect(stderr).toMatch(/step 1: validation loss [\d.]+ nats per token, accuracy [\d.]+, exactMatch [\d.]+/);
});

test("Lion, a least rate, NEFTune and groups of equal length train, and are in the checkpoint", async () => {
  const words = ["--optimizer", "lion", "--loraplus-lr-ratio", "4", "--min-lr", "1e-5", "--group-by-length"];
  const run = [...common, "--neftune-noise-alpha", "5", ...words, "--steps", "2", "--output", "lion"];
  const { stdout } = await succeed([...run, "--save-every", "2"]);
  expect(stdout).toContain("learning rate: 0.00002 at its peak");
  const state = JSON.parse(await readFile(at("lion/checkpoint-2/trainer_state.json"), "utf8"));
  expect(state.fingerprint).toMatchObject({ minLr: 1e-5, neftuneNoiseAlpha: 5, groupByLength: true });
  const { code, stderr } = await lowrank([...run, "--resume", "lion/checkpoint-2", "--min-lr", "2e-5"]);
  expect(code).toBe(1);
  expect(stderr).toContain("--min-lr is 0.00002, and 0.00001 in the checkpoint");
});

test("high precision trains a model that is large enough for it, and leaves the base model as it was", async () => {
  const folder = fileURLToPath(nanoModelFolder);
  const run = ["train", "--model", folder, "--data", "pairs.jsonl", "--batch-size", "4", "--steps", "2"];
  const losses = [];
  for (const precision of ["highest", "high"]) {
    const { stdout } = await succeed([...run, "--precision", precision, "--output", precision]);
    expect(stdout).toMatch(new RegExp(`^speed: .*, ${precision} precision$`, "m"));
    losses.push(/base model with the adapter off: .*loss ([\d.]+).*, bit-identical/.exec(stdout)?.[1]);
  }
  expect(losses[0]).toMatch(/^\d/);
  expect(losses[1]).not.toBe(losses[0]);
  expect(Number(losses[1])).toBeCloseTo(Number(losses[0]), 2);
});

test("errors name the options", async () => {
  // One step has no evaluation before its end.
  const once = await failure("--load-best-model-at-end", "--steps", "1");
  expect(once).toContain("--load-best-model-at-end needs evaluations while it");
  const none = ["--early-stopping-patience", "2", "--eval-every", "1", "--validation-fraction", "0"];
  expect(await failure(...none)).toContain("--early-stopping-patience needs data to validate with");
  expect(await failure("--metrics", "acuracy")).toContain('"acuracy" is not a metric; expected accuracy');
  expect(await failure("--schedule", "constant", "--min-lr", "1e-5")).toContain("--min-lr is 0.00001, but only");
});

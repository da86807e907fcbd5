import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hasRedis, startRedis } from "@lowrank/test-support/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { MethodComparison } from "../../report/comparison/methodComparison.ts";
import { type CommandFolder, commandFolder } from "../../testing/commandFolder.ts";
import { startProcess } from "../../testing/startProcess.ts";

let folder: CommandFolder;
beforeAll(async () => {
  folder = await commandFolder();
});
afterAll(() => rm(folder.folder, { recursive: true, force: true }));

const plan = (more: string) => `
model: model
data: pairs.jsonl
validation: pairs.jsonl
output: sweep
batchSize: 4
steps: 20
schedule: constant
${more}`;

interface Told {
  readonly number: number;
  readonly options: Record<string, unknown>;
  readonly status: string;
  readonly validationLoss: number;
}

interface Swept {
  readonly comparison: MethodComparison;
}

test("a grid is trained, the best trial first, and nothing twice", async () => {
  await writeFile(folder.at("run.yaml"), plan("sweep:\n  lr: [1e-5, 2e-2]\n  r: [2, 4]"));
  const { stdout, stderr } = await folder.succeed(["sweep", "run.yaml", "--jobs", "2"]);
  const lines = stdout.trimEnd().split("\n");
  expect(lines[0].split(/ {2,}/)).toEqual([
    ...["trial", "lr", "r", "validation loss", "training loss", "trainable parameters", "Pareto front", "steps"],
    "result",
  ]);
  expect(lines.slice(1, 5).map((line) => line.trim().split(/ +/)[1])).toEqual(["0.02", "0.02", "0.00001", "0.00001"]);
  expect(lines.slice(1, 5).every((line) => line.endsWith("succeeded"))).toBe(true);
  expect(lines.at(-2)).toBe("wrote sweep: sweep.html, sweep.csv, sweep.json");
  expect(stderr.match(/\(\d of 4\)/g)?.length).toBe(4);
  const page = await readFile(folder.at("sweep/sweep.html"), "utf8");
  for (const part of ["4 trials of lr, r", "Validation loss", "Training loss", "<svg", "lr 0.02, r"]) {
    expect(page).toContain(part);
  }
  expect((await readFile(folder.at("sweep/sweep.csv"), "utf8")).split("\n").length).toBe(6);

  // Costs of the adapters: twice the rank has twice the parameters, and the best trial is on the Pareto front.
  const { comparison } = JSON.parse(await readFile(folder.at("sweep/sweep.json"), "utf8")) as Swept;
  const trainable = (rank: number) => comparison.rows.find(({ rank: own }) => own === rank)?.trainable as number;
  expect(trainable(4)).toBe(2 * trainable(2));
  expect([comparison.rows.length, comparison.rows[0].paretoOptimal]).toEqual([4, true]);
  expect(lines[1]).toMatch(/ yes +20 +succeeded$/);

  // The best adapter is the one with the smallest loss in the table.
  const { r } = JSON.parse(await readFile(folder.at("sweep/best/adapter_config.json"), "utf8"));
  expect(String(r)).toBe(lines[1].trim().split(/ +/)[2]);
  const generate = "generate model --adapter sweep/best --prompt X --greedy --max-new-tokens 1".split(" ");
  generate[5] = "say 1: ";
  expect((await folder.succeed(generate)).code).toBe(0);

  const start = performance.now();
  const again = await folder.succeed(["sweep", "run.yaml", "--json"]);
  expect(performance.now() - start).toBeLessThan(3000);
  const results = JSON.parse(again.stdout) as Told[];
  expect(results.map(({ options }) => options.lr)).toEqual([0.02, 0.02, 1e-5, 1e-5]);
  expect(results[0].validationLoss).toBeLessThan(results[3].validationLoss);
}, 100_000);

test("options are drawn at random, over methods too, and a trial that fails is told among the others", async () => {
  const random =
    "trials: 3\nsweepSeed: 5\nsweep:\n  lr: { min: 1e-3, max: 1e-1, scale: log }\n  method: [lora, rslora]";
  await writeFile(folder.at("random.yaml"), plan(random).replace("output: sweep", "output: random"));
  const { stdout } = await folder.succeed(["sweep", "random.yaml", "--json"]);
  const results = JSON.parse(stdout) as Told[];
  expect(results.map(({ status }) => status)).toEqual(["succeeded", "succeeded", "succeeded"]);
  expect(new Set(results.map(({ options }) => options.lr)).size).toBe(3);

  const huge = "sweep:\n  lr: [1e-3, 1e30]";
  await writeFile(folder.at("huge.yaml"), plan(huge).replace("output: sweep", "output: huge"));
  const outcome = await folder.succeed(["sweep", "huge.yaml"]);
  const [, first, second] = outcome.stdout.split("\n");
  expect(first).toMatch(/succeeded$/);
  expect(second).toMatch(/1e\+30 .*(NaN|infinit|finite)/);
}, 100_000);

test.skipIf(!hasRedis)(
  "workers of a queue train it, though they are killed at it: the same bits, each trial once",
  async () => {
    const long = "sweep:\n  r: [2, 4]";
    const text = plan(long).replace("steps: 20", "steps: 120\ndropout: 0.1\nsaveEvery: 10");
    for (const name of ["here", "there"]) {
      await writeFile(folder.at(`${name}.yaml`), text.replace("output: sweep", `output: ${name}`));
    }
    const here = await folder.succeed(["sweep", "here.yaml", "--json"]);

    await mkdir(folder.at("redis"));
    const redis = await startRedis(folder.at("redis"));
    const queued = ["--queue", redis.url, "--store", "store"];
    const args = ["worker", "model", ...queued, "--lock-seconds", "2"];
    const start = () => startProcess(args, /taking jobs/, { cwd: folder.folder });
    const ordered = folder.succeed(["sweep", "there.yaml", ...queued, "--json"]);
    const runs = "store/.fine-tuning/runs";
    const checkpoints = async (id: string) =>
      (await readdir(folder.at(`${runs}/${id}`)).catch(() => [])).filter((name) => name.startsWith("checkpoint-"));
    let told = "";
    let worker = await start();
    try {
      for (const kills of [0, 1]) {
        const at = () => /(\S+): attempt \d+\n$/.exec(worker.stderr())?.[1] ?? "";
        await expect
          .poll(async () => at() !== "" && (await checkpoints(at())).length > kills, { timeout: 60_000, interval: 20 })
          .toBe(true);
        await worker.kill();
        told += worker.stderr();
        worker = await start();
      }
      const there = await ordered;
      const results = ({ stdout }: { stdout: string }) =>
        (JSON.parse(stdout) as (Told & { id: string; trainingLoss: number })[]).map(({ id, ...result }) => result);
      expect(results(there)).toEqual(results(here));
      told += worker.stderr();
      const trained = told.match(/\S+: trained/g) ?? [];
      expect([trained.length, new Set(trained).size]).toEqual([2, 2]);
      for (const { id } of JSON.parse(there.stdout) as { id: string }[]) {
        const adapter = (store: string) =>
          readFile(folder.at(`${store}/.fine-tuning/runs/${id}/adapter/adapter_model.safetensors`), "hex");
        expect(await adapter("store")).toBe(await adapter("here/store"));
      }
      const logs = await Promise.all(
        (await readdir(folder.at(runs))).map((id) => logOf(folder.at(`${runs}/${id}/log`))),
      );
      expect(logs.join("").match(/Resumed from the checkpoint of step \d+/g)?.length).toBeGreaterThan(0);
    } finally {
      await worker.stop();
      await redis.stop();
    }
  },
  240_000,
);

const logOf = async (place: string) =>
  (await Promise.all((await readdir(place)).map((name) => readFile(`${place}/${name}`, "utf8")))).join("");

test("what no trial could train with is said before any starts", async () => {
  const failing = async (more: string) => {
    await writeFile(folder.at("bad.yaml"), plan(more));
    const { code, stderr } = await folder.lowrank(["sweep", "bad.yaml"]);
    expect(code).toBe(1);
    return stderr.trim();
  };
  expect(await failing("sweep:\n  rr: [1]")).toContain('bad.yaml: trial {"rr":1}: there is no option "rr" for jobs');
  expect(await failing("sweep:\n  r: [0]")).toContain("--r");
  expect(await failing("sweep:\n  lr: { min: 2, max: 1 }")).toContain("sweep.lr goes from 2 to 1; expected min < max");
  expect(await failing("sweep:\n  lr: { min: 1, max: 2 }")).toContain("lr is a range");
  expect(await failing("sweep:\n  steps: [1, 2]")).toContain(
    'steps is set both inside and outside of "sweep"; remove one of them',
  );
  expect(await failing("trials: 0\nsweep:\n  r: [1]")).toContain("bad.yaml: trials:");
  expect(await failing("")).toContain("bad.yaml: sweep:");
});

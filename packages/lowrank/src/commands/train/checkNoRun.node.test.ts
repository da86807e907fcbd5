import { mkdir, mkdtemp, realpath, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { checkNoRun } from "./runTraining.ts";

let output: string;
beforeEach(async () => {
  output = await realpath(await mkdtemp(join(tmpdir(), "lowrank-norun-")));
});
afterEach(() => rm(output, { recursive: true, force: true }));

const hold = async (...names: string[]) => {
  for (const name of names) {
    if (name.endsWith("/")) await mkdir(join(output, name));
    else await writeFile(join(output, name), "");
  }
};
const check = (more: object = {}) =>
  checkNoRun({ output, ...more }).then(
    () => null,
    (error) => error.message,
  );

test("a folder without a run is free", async () => {
  expect(await check()).toBe(null);
  await hold("README.md", "config.json", "metrics.jsonl", "checkpoint-x/", "modelx.safetensors", "xmodel.safetensors");
  expect(await check()).toBe(null);
});

test("results are not replaced unless asked for", async () => {
  await hold("adapter_config.json", "config.json");
  expect(await check()).toBe(
    `--output ${output} holds the results of a run (adapter_config.json); give another folder, or --overwrite to replace them`,
  );
  expect(await check({ overwrite: true })).toBe(null);
  await hold("checkpoint-2/");
  expect(await check()).toContain(`; continue with --resume ${output}, give another folder`);
});

test.each(["model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json"])(
  "%s beside a config is a model",
  async (name) => {
    await hold(name, "config.json");
    expect(await check()).toContain("holds the results of a run (config.json)");
  },
);

test("checkpoints are resumed from, by the folder or by one of them", async () => {
  await hold("checkpoint-2/", "checkpoint-10/");
  expect(await check()).toBe(
    `--output ${output} holds checkpoints of a run that did not end (checkpoint-10, checkpoint-2); go on with --resume ${output}, or give --overwrite to begin again`,
  );
  expect(await check({ resume: output })).toBe(null);
  expect(await check({ resume: join(output, "checkpoint-2") })).toBe(null);
  // Resuming a checkpoint of another run does not permit writing to this folder.
  expect(await check({ resume: tmpdir() })).toContain("holds checkpoints");
  expect(await check({ resume: join(output, "other") })).toContain("holds checkpoints");
  expect(await check({ resume: join(output, "none", "checkpoint-2") })).toContain("holds checkpoints");
});

import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { full } from "@lowrank/core";
import { addInto } from "@lowrank/core/internal";
import { nanoModelFolder } from "@lowrank/nano";
import type { RMSNorm } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { afterAll, beforeAll, beforeEach, expect, test, vi } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { runCommand } from "../../testing/runCommand.ts";

/** Added to one value of a weight while a model is saved, to simulate a corrupt file. */
let damage = 0;

vi.mock("@lowrank/models", async (original) => {
  const models = await original<typeof import("@lowrank/models")>();
  const saveModel: typeof models.saveModel = async (model, ...rest) => {
    const { weight } = model.getSubmodule("model.norm") as RMSNorm;
    const norm = weight.detach();
    addInto(norm, full(norm.shape, damage), {});
    await models.saveModel(model, ...rest);
    addInto(norm, full(norm.shape, -damage), {});
  };
  return { ...models, saveModel };
});

let folder: string;
const nano = fileURLToPath(nanoModelFolder);
const merge = (output: string, ...more: string[]) =>
  runCommand([
    "merge",
    "--model",
    nano,
    "--adapter",
    join(folder, "adapter"),
    "--output",
    join(folder, output),
    ...more,
  ]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-merge-"));
  const { model } = await loadModel(nanoModelFolder);
  const config = new LoraConfig({ r: 1, targetModules: ["q_proj"], initLoraWeights: false });
  await (await getPeftModel(model, config)).savePretrained(join(folder, "adapter"));
});
beforeEach(() => {
  damage = 0;
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a file whose model computes other results than the merged model is not kept", async () => {
  damage = 1 / 64;
  const { code, stdout, stderr } = await merge("damaged");
  expect(code).toBe(1);
  expect(stderr).toBe("error: the written model's logits differ from the merged model's; the output was deleted\n");
  expect(stdout).not.toContain("wrote");
  expect(await readdir(folder)).toEqual(["adapter"]);
});

test("one that is off by more than bf16 rounds is warned of", async () => {
  damage = 4;
  const { stdout } = await merge("half", "--dtype", "bf16");
  expect(stdout).toMatch(/written as bf16: .*\nwarning: more than rounding explains/);
});

test("a whole file is kept", async () => {
  const { code, stdout } = await merge("whole");
  expect([code, stdout.includes("warning"), (await readdir(folder)).includes("whole")]).toEqual([0, false, true]);
});

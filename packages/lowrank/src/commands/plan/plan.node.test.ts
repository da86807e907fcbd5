import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, reference } from "@lowrank/core";
import { createModel, describeModel, presetConfig, randomParameters, saveModel } from "@lowrank/models";
import { LoraConfig, planMemory } from "@lowrank/peft";
import { goldenFolder } from "@lowrank/test-support/folders";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runCommand } from "../../testing/runCommand.ts";

let temporary: string;

beforeAll(async () => {
  temporary = await mkdtemp(join(tmpdir(), "lowrank-plan-"));
});

afterAll(() => rm(temporary, { recursive: true, force: true }));

const plan = (...args: string[]) => runCommand(["plan", ...args]);

test("QLoRA of the 65B model under 48 GB, part by part", async () => {
  const words = "llama-65b --method qlora --double-quant --r 64 --seq 512 --batch 1 --target-modules all-linear";
  const { code, stdout, stderr } = await plan(
    ...words.split(" "),
    ..."--dtype bf16 --adapter-dtype bf16 --gradient-checkpointing --optimizer adamw".split(" "),
  );
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  expect(stdout).toContain("llama-65b: llama, 65,285,660,672 parameters\nqlora, 1 x 512 tokens; MB of 10^6 bytes\n");
  expect(stdout).toMatch(/^weights +34,459\.0 .*nf4 with double quantisation: 33,407\.7, .* in bf16: 1,051\.2$/m);
  expect(stdout).toMatch(/^adapter +1,599\.1 {2}bf16$/m);
  expect(stdout).toMatch(/^optimiser +6,396\.3 {2}adamw$/m);
  expect(stdout).toMatch(/^gradients +1,599\.1 {2}799,539,200 parameters train$/m);
  expect(stdout).toMatch(/^KV cache +2,684\.4 {2}512 tokens in f32$/m);
  expect(stdout).toContain(
    "note: reckoned with bf16 for what trains, bf16 for its gradients; Lowrank itself trains in f32\n",
  );
  expect(stdout).toContain("training fits elsewhere: RTX A6000 48 GB, H100 80 GB, H200 141 GB\n");
  expect(stdout).toMatch(
    /^Lowrank cannot train it so: a step takes [\d,.]+, more than the 4,295\.0 MB of a WebAssembly/m,
  );
  expect(stdout).toContain("none of checkpointing, 4 bits, one sequence at a time and short ones makes it fit");
  expect(stdout).toMatch(/^training does not fit: laptop 8 GB, .* A100 40 GB$/m);
});

test("--json holds the plan in bytes", async () => {
  const words = "gpt2 --r 4 --target-modules c_attn --seq 64 --batch 2 --accumulate 3 --optimizer adamw8bit --json";
  const found = JSON.parse((await plan(...words.split(" "))).stdout);
  const expected = await planMemory(describeModel(presetConfig("gpt2")), {
    adapter: new LoraConfig({ r: 4, targetModules: ["c_attn"] }),
    sequenceLength: 64,
    batchSize: 2,
    gradientAccumulationSteps: 3,
    optimizer: "adamw8bit",
  });
  expect(found.notes).toEqual([]);
  expect(found).toMatchObject({ ...expected, modelType: "gpt2", parameters: 124_439_808, method: "lora" });
  expect(found.devices[0]).toEqual({
    name: "WebAssembly memory 4 GiB",
    bytes: 4_294_967_296,
    training: true,
    generation: true,
  });
});

test("says first if Lowrank can train it, and else by which flags it can", async () => {
  const words = ["llama-3.2-1b", "--seq", "512", "--batch", "4"];
  const lines = (await plan(...words)).stdout.split("\n");
  expect(lines[3]).toMatch(/^Lowrank cannot train it so: a step takes [\d,.]+, more than the 4,295\.0 MB/);
  expect(lines[4]).toMatch(/^Lowrank can train it with --gradient-checkpointing .*--method qlora --double-quant/);
  const { lowrank } = JSON.parse((await plan(...words, "--json")).stdout);
  const { flags, training } = lowrank.instead;
  // A plan with the suggested flags confirms that they are enough.
  const method = flags.split(" ");
  const advised = JSON.parse((await plan("llama-3.2-1b", "--seq", "512", ...method, "--json")).stdout);
  expect(advised.training.bytes).toBe(training);
  expect(advised.lowrank).toMatchObject({ training: true, instead: null });
  const small = await plan("gpt2", "--seq", "64");
  expect(small.stdout.split("\n")[3]).toMatch(/^Lowrank can train it: a step takes [\d,.]+ of the 4,295\.0 MB/);
});

test("a config.json and its folder are one model", async () => {
  const path = join(goldenFolder, "models", "llama");
  const words = ["--method", "full", "--seq", "16"];
  const [a, b] = [await plan(path, ...words), await plan(join(path, "config.json"), ...words)];
  expect(a.code).toBe(0);
  const lines = (text: string) => text.split("\n").slice(1);
  expect(lines(a.stdout)).toEqual(lines(b.stdout));
  expect(a.stdout).not.toMatch(/^adapter/m);
  expect(a.stdout).toContain("training fits elsewhere: laptop 8 GB,");
});

test("a GGUF file is the model it holds", async () => {
  const config = presetConfig("gpt2");
  const small = {
    ...config,
    vocabSize: 40,
    nEmbd: 8,
    nInner: 32,
    nHead: 2,
    nLayer: 2,
    nPositions: 64,
  } as typeof config;
  await init(reference());
  const folder = join(temporary, "model");
  await saveModel(createModel(small, randomParameters(new Generator(1))), small, folder);
  const gguf = join(temporary, "model.gguf");
  await runCommand(["convert", "--model", folder, "--output", gguf]);
  const [a, b] = [JSON.parse((await plan(folder, "--json")).stdout), JSON.parse((await plan(gguf, "--json")).stdout)];
  expect(a.parameters).toBe(describeModel(small).parameterCount);
  expect(b).toEqual(a);
});

test("names that match nothing are said", async () => {
  const { stderr } = await plan("stories15m", "--target-modules", "q_proj,k_porj");
  expect(stderr).toContain("did you mean k_proj for k_porj?");
});

test("of any method, by name or by PEFT's file", async () => {
  const file = join(temporary, "ia3.json");
  await writeFile(file, JSON.stringify({ peft_type: "IA3" }));
  const words = ["gpt2", "--seq", "32", "--json"];
  const named = JSON.parse((await plan(...words, "--method", "ia3")).stdout);
  const read = JSON.parse((await plan(...words, "--peft-config", file)).stdout);
  expect(named).toMatchObject({ method: "ia3", adapter: { parameters: 12 * (3 * 768 + 3072) } });
  expect(read).toEqual({ ...named, method: "IA3" });
  const prompt = JSON.parse((await plan(...words, "--method", "prompt", "--virtual-tokens", "7")).stdout);
  expect(prompt.adapter.parameters).toBe(7 * 768);
});

describe("errors are one line that says what to do", () => {
  test.each([
    [["llama-7"], 'error: there is no preset "llama-7"; did you mean llama-7b? There are gemma-2-2b,'],
    [["./nowhere"], "error: there is no file or folder ./nowhere\n"],
    [["{}/broken.json"], "broken.json is not valid JSON: "],
    [["{}/other.json"], 'other.json: model_type is "mamba"; expected'],
    [["gpt2", "--seq", "2000"], "error: --seq is 2000, but the model has 1024 positions"],
    [["gpt2", "--target-modules", "q_porj"], 'error: --target-modules ["q_porj"] matches no module of this model;'],
    [
      ["gpt2", "--double-quant"],
      "error: --double-quant is for --method qlora; change --method, or leave --double-quant out\n",
    ],
    [
      ["gpt2", "--method", "full", "--r", "4", "--bias", "all"],
      "error: --r, --bias is for an adapter; leave it out with --method full",
    ],
    [["gpt2", "--method", "qlora", "--quant-block-size", "48"], "--quant-block-size is 48; use a power of"],
    [["gpt2", "--dtype", "f64"], "argument 'f64' is invalid. Allowed choices are f32, f16, bf16."],
    [["gpt2", "--batch", "0"], "argument '0' is invalid. Expected a whole number of at least 1."],
  ])("%j", async (args, message) => {
    await writeFile(join(temporary, "broken.json"), "{");
    await writeFile(join(temporary, "other.json"), '{"model_type": "mamba"}');
    const { code, stdout, stderr } = await plan(...args.map((word) => word.replace("{}", temporary)));
    expect(stderr).toContain(message);
    expect({ code, stdout }).toEqual({ code: 1, stdout: "" });
  });
});

test("--help names the presets and has two examples", async () => {
  const { stdout } = await plan("--help");
  expect(stdout).toContain("Presets: gemma-2-2b, gemma-3-270m,");
  expect(stdout.match(/^ {2}\$ lowrank plan /gm)?.length).toBe(2);
});

test("--memory compares the plan with a budget, and finds flags that make it fit", async () => {
  const { stdout } = await plan("smollm2-360m", "--memory", "2GB");
  expect(stdout).toMatch(/^Lowrank cannot train it so: a step takes [\d,.]+, more than the 2,000\.0 MB of --memory$/m);
  expect(stdout).toMatch(/^Lowrank can train it with --gradient-checkpointing: /m);
  expect(stdout).toMatch(/^training in the 2,000\.0 MB of --memory: does not fit: [\d,.]+ MB more are needed$/m);
  expect(stdout).toMatch(/^generating in the 2,000\.0 MB of --memory: fits, with [\d,.]+ MB left$/m);
  const found = JSON.parse((await plan("smollm2-360m", "--memory", "6GiB", "--json")).stdout);
  expect(found.memory).toEqual({ bytes: 6 * 2 ** 30, training: true, generation: true });
  // A budget above the size of a WebAssembly memory does not raise that limit.
  expect(found.lowrank.bytes).toBe(2 ** 32);
  expect(JSON.parse((await plan("gpt2", "--json")).stdout).memory).toBeNull();
  const { code, stderr } = await plan("gpt2", "--memory", "much");
  expect([code, stderr]).toEqual([1, expect.stringContaining("Expected a size above 0, such as 8GB or 6GiB.")]);
});

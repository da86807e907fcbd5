import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { generatePairs, nanoModelFolder } from "@lowrank/nano";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Outcome, runCommand } from "../../testing/runCommand.ts";

const nano = fileURLToPath(nanoModelFolder);
let folder: string;
const at = (name: string) => join(folder, name);
const readConfig = async (name: string) => JSON.parse(await readFile(at(`${name}/adapter_config.json`), "utf8"));

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-methods-"));
  const pairs = generatePairs({ language: "javascript", split: "train", count: 20, seed: 1 });
  await writeFile(at("pairs.jsonl"), pairs.map((pair) => JSON.stringify(pair)).join("\n"));
});

afterAll(() => rm(folder, { recursive: true, force: true }));

function train(output: string, ...words: string[]): Promise<Outcome> {
  const common = ["--data", at("pairs.jsonl"), "--batch-size", "2", "--steps", "4", "--samples", "0"];
  return runCommand(["train", "--model", nano, "--output", at(output), ...common, ...words]);
}

/** Trains one step. */
const trainOnce = (output: string, ...words: string[]) => train(output, ...words, "--steps", "1");

/** Trains one step on a saved model. */
function trainOn(model: string, ...words: string[]): Promise<Outcome> {
  const common = ["--data", at("pairs.jsonl"), "--steps", "1"];
  return runCommand(["train", "--model", at(model), "--output", at("on"), "--overwrite", ...common, ...words]);
}

/** Returns the validation losses before and after. */
function losses(stdout: string): [number, number] {
  const [, before, after] = /nats per token: ([\d.]+) at step 0.*, ([\d.]+) at step 4/.exec(stdout) ?? [];
  return [Number(before), Number(after)];
}

/** Returns the number of trained values that an adapter's file reports. */
async function numbersOf(adapter: string): Promise<number> {
  const { stdout } = await runCommand(["report", nano, "--adapter", at(adapter), "--json"]);
  return JSON.parse(stdout).trainable;
}

describe("methods", () => {
  test.each([
    ["dora", "LORA", { use_dora: true }],
    ["prefix", "PREFIX_TUNING", { num_virtual_tokens: 20 }],
    ["ia3", "IA3", {}],
    ["adalora", "ADALORA", { total_step: 4, target_r: 8, init_r: 12 }],
    ["vera", "VERA", { r: 256 }],
    ["ln", "LN_TUNING", {}],
    ["p-tuning", "P_TUNING", { encoder_reparameterization_type: "MLP" }],
  ])("%s learns and writes its adapter", async (method, peftType, fields) => {
    const { code, stdout, stderr } = await train(method, "--method", method);
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("bit-identical");
    const [before, after] = losses(stdout);
    expect(after).toBeLessThan(before);
    expect(await readConfig(method)).toMatchObject({ peft_type: peftType, task_type: "CAUSAL_LM", ...fields });
    expect(stdout.includes("lowrank merge")).toBe(!["prefix", "p-tuning"].includes(method));
    const [, trains] = /trainable params: ([\d,]+)/.exec(stdout) ?? [];
    // AdaLoRA's file lacks the ranks that training has cut.
    if (method !== "adalora") expect(await numbersOf(method)).toBe(Number(trains.replaceAll(",", "")));
  });

  test("X-LoRA from a configuration mixes trained adapters, and generates from its folder", async () => {
    const experts = ["first", "second"];
    for (const [i, expert] of experts.entries()) await trainOnce(expert, "--r", "2", "--seed", String(i + 1));
    const { hidden_size } = JSON.parse(await readFile(join(nano, "config.json"), "utf8"));
    const adapters = Object.fromEntries(experts.map((expert, i) => [i, at(expert)]));
    await writeFile(at("xlora.json"), JSON.stringify({ peft_type: "XLORA", hidden_size, adapters }));
    const { code, stdout, stderr } = await train("xlora", "--peft-config", at("xlora.json"), "--lr", "1e-2");
    expect(code, stderr).toBe(0);
    expect(stdout).toContain("trainable params: 258 ");
    expect(stdout).toContain("bit-identical");
    expect(await readConfig("xlora")).toMatchObject({ peft_type: "XLORA", hidden_size, adapters });
    expect(await readConfig("xlora/1")).toMatchObject({ peft_type: "LORA", r: 2 });
    const words = ["--model", nano, "--adapter", at("xlora"), "--prompt", "sort xs ->", "--max-new-tokens", "4"];
    const generated = await runCommand(["generate", ...words]);
    expect(generated.code, generated.stderr).toBe(0);
  });

  test("houlsby writes AdapterHub's files", async () => {
    const { stdout } = await trainOnce("houlsby", "--method", "houlsby");
    expect(stdout).toContain("houlsby: adapter_config.json, adapter.safetensors, config.json");
    expect(stdout).not.toContain("lowrank merge");
  });

  test("full trains all of the model and writes one", async () => {
    const { stdout } = await train("full", "--method", "full", "--lr", "1e-3");
    const [before, after] = losses(stdout);
    expect(after).toBeLessThan(before);
    expect(stdout).toMatch(/^wrote .*: config\.json, .*model\.safetensors/m);
    const again = await trainOn("full");
    expect(again.stdout).toContain(`${after.toFixed(4)} at step 0`);
  });
});

describe("LoRA's options", () => {
  test("DoRA, rank stabilisation, start and modules are what the file says", async () => {
    const words = "--use-dora --use-rslora --init-lora-weights gaussian --r 4 --alpha 6 --modules-to-save model.norm";
    const { code } = await trainOnce("options", ...words.split(" "), "--target-modules", "q_proj,v_proj");
    expect(code).toBe(0);
    expect(await readConfig("options")).toMatchObject({
      ...{ use_dora: true, use_rslora: true, init_lora_weights: "gaussian", r: 4, lora_alpha: 6 },
      ...{ modules_to_save: ["model.norm"], target_modules: ["q_proj", "v_proj"] },
    });
  });

  test("parameters are targets too", async () => {
    const words = ["--target-parameters", "gate_proj.weight", "--target-modules", "q_proj", "--r", "2"];
    const { code, stderr } = await trainOnce("parameters", ...words);
    expect(code, stderr).toBe(0);
    const fields = { target_parameters: ["gate_proj.weight"], target_modules: ["q_proj"] };
    expect(await readConfig("parameters")).toMatchObject(fields);
    await trainOnce("queries", "--target-modules", "q_proj", "--r", "2");
    expect(await numbersOf("parameters")).toBeGreaterThan(await numbersOf("queries"));
  });

  test.each(["pissa", "olora"])(
    "%s is written as plain LoRA that acts the same on the model as it was",
    async (start) => {
      const trained = await train(start, "--init-lora-weights", start, "--r", "4", "--lr", "1e-2");
      expect(trained.stderr).not.toContain("warning");
      expect(trained.stdout).toContain("LORA less its start, for the base model as it was");
      expect(await readConfig(start)).toMatchObject({ r: 8, init_lora_weights: true });
      const merged = await runCommand([
        "merge",
        "--model",
        nano,
        "--adapter",
        at(start),
        "--output",
        at(`${start}-merged`),
      ]);
      expect(merged.code, merged.stderr).toBe(0);
      const again = await trainOn(`${start}-merged`, "--lr", "1e-9");
      const [, after] = losses(trained.stdout);
      expect(Number(/([\d.]+) at step 0/.exec(again.stdout)?.[1])).toBeCloseTo(after, 3);
    },
  );

  test("EVA starts from the data, and LoRA+ makes B learn faster", async () => {
    const eva = await trainOnce("eva", "--init-lora-weights", "eva", "--r", "2", "--target-modules", "q_proj,v_proj");
    expect(eva.stderr).not.toContain("warning");
    expect(await readConfig("eva")).toMatchObject({ init_lora_weights: "eva", eva_config: expect.anything() });
    const [plain, plus] = [await train("plain"), await train("plus", "--loraplus-lr-ratio", "16")];
    expect(losses(plus.stdout)[1]).toBeLessThan(losses(plain.stdout)[1] - 0.01);
  });
});

test.each([
  ["miss", "--init-weights bat --r 4 --dropout 0.1", { init_weights: "bat", r: 4, miss_dropout: 0.1 }],
  ["boft", "--boft-block-size 8 --init-weights false", { boft_block_size: 8, init_weights: false }],
  ["adalora", "--r 4 --init-r 5 --alpha 3 --init-lora-weights false", { target_r: 4, init_r: 5, lora_alpha: 3 }],
  ["prompt", "--virtual-tokens 3 --prompt-tuning-init SAMPLE_VOCAB", { prompt_tuning_init: "SAMPLE_VOCAB" }],
  ["ia3", "--target-modules k_proj,down_proj --feedforward-modules down_proj", { feedforward_modules: ["down_proj"] }],
])("%s takes %s", async (method, words, fields) => {
  const { code, stderr } = await trainOnce(`own-${method}`, "--method", method, ...words.split(" "));
  expect(code, stderr).toBe(0);
  expect(await readConfig(`own-${method}`)).toMatchObject(fields);
});

test.each([
  ["lora", "0.0002"],
  ["full", "0.0002"],
  ["miss", "0.003"],
])("the learning rate of %s is %s where none is given", async (method, rate) => {
  const { stdout } = await trainOnce(`rate-${method}`, "--method", method);
  expect(stdout).toContain(`learning rate: ${rate} at its peak (--lr)`);
});

describe("--peft-config", () => {
  test("says any method with all its fields", async () => {
    await writeFile(
      at("miss.json"),
      JSON.stringify({ peft_type: "MISS", r: 4, target_modules: ["o_proj"], miss_dropout: 0.1 }),
    );
    const { stdout, stderr } = await trainOnce("miss", "--peft-config", at("miss.json"));
    expect(stdout, stderr).toMatch(/^adapter on \d+ modules: \d+ o_proj$/m);
    expect(stdout).toContain("learning rate: 0.003 at its peak (--lr)");
    expect(await readConfig("miss")).toMatchObject({
      peft_type: "MISS",
      r: 4,
      target_modules: ["o_proj"],
      task_type: "CAUSAL_LM",
    });
  });

  test("AdaLoRA takes the steps from the training", async () => {
    await writeFile(at("adalora.json"), JSON.stringify({ peft_type: "ADALORA", target_r: 2, init_r: 4 }));
    await train("adalora-file", "--peft-config", at("adalora.json"));
    expect(await readConfig("adalora-file")).toMatchObject({ total_step: 4, init_r: 4 });
  });
});

test("--verify reads again what was written", async () => {
  const { stdout } = await trainOnce("verified", "--verify", "--use-dora", "--r", "2");
  expect(stdout).toMatch(/^read again, on an example of \d+ tokens: logits differ by 0 at most$/m);
  const prompt = await trainOnce("verified-prompt", "--verify", "--method", "p-tuning");
  expect(prompt.stdout, prompt.stderr).toContain("logits differ by 0 at most");
});

describe("misuse", () => {
  test.each([
    [
      "--method ia3 --alpha 3",
      "--alpha is no option of ia3, which has --target-modules, --modules-to-save, --feedforward-modules; leave it out",
    ],
    ["--method dora --virtual-tokens 3", "--init-lora-weights, --lora-bias; leave it out"],
    ["--method full --r 3", "--r is for an adapter; leave it out with --method full"],
    ["--method full --weights bf16", "--method full needs weights in f32, but some are bf16; leave --weights out"],
    ["--method loar", 'there is no method "loar"; there are full, lora, qlora,'],
    ["--method prefix --target-modules q_proj", "--target-modules is no option of prefix, which has --virtual-tokens,"],
    ["--init-weights bat", "--init-weights is no option of lora"],
    [
      "--method vera --init-weights bat",
      '--init-weights is "bat", which vera does not accept. Expected true or false.',
    ],
    [
      "--method miss --init-weights cat",
      "Expected true, false, lycoris, gaussian, bat, mini, kaiming_uniform, xavier_uniform, uniform, zero, bert, mam_adapter or houlsby.",
    ],
    ["--method oft --mini-r 2", "leave it out, or take --method miss"],
    [
      "--method prefix --virtual-tokens 9999",
      "positions, which leaves no room for texts in addition to 9999 virtual tokens; use fewer virtual tokens",
    ],
    [
      "--method ia3 --loraplus-lr-ratio 4",
      "--loraplus-lr-ratio is for --method lora, qlora, dora or rslora; leave it out",
    ],
    ["--method full --verify", "--verify is for an adapter; leave it out with --method full"],
    ["--init-lora-weights olora --verify", "--verify cannot be used with olora"],
    [
      "--init-lora-weights loftq",
      "loftq changes the base model, which this command does not save; use another --init-lora-weights, or train with getPeftModel in code",
    ],
    ["--peft-config cls.json", "task_type is SEQ_CLS; for this command it must be CAUSAL_LM or absent"],
    ["--peft-config cls.json --r 4", "--peft-config already describes the adapter; leave --r out"],
    ["--peft-config cls.json --method ia3", "--peft-config already describes the adapter; leave --method ia3 out"],
    ["--peft-config nowhere.json", "--peft-config: there is no file or folder"],
  ])("%s", async (words, message) => {
    await writeFile(at("cls.json"), JSON.stringify({ peft_type: "LORA", task_type: "SEQ_CLS" }));
    const { code, stderr } = await train("none", ...words.split(" ").map((w) => (w.endsWith(".json") ? at(w) : w)));
    expect(stderr).toContain(message);
    expect(code).toBe(1);
  });
});

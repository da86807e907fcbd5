import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { LoraConfig, PromptTuningConfig } from "@lowrank/peft";
import { Command } from "commander";
import { afterAll, describe, expect, test } from "vitest";
import { findMethods } from "../../report/methods.ts";
import { plannedSteps, toPeftConfig, usualSettings } from "./adapterConfig.ts";
import { addAdapterOptions } from "./adapterOptions.ts";
import { loadPlugins, pluginFiles } from "./plugins.ts";
import { readPeftConfig, trainedConfig, virtualTokens } from "./trainedConfig.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-options-"));
afterAll(() => rm(folder, { recursive: true }));

/** Writes a file and returns its path. */
async function file(name: string, content: string | object): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, typeof content === "string" ? content : JSON.stringify(content));
  return path;
}

describe("flags of adapters", () => {
  const command = addAdapterOptions(new Command("x").exitOverride().configureOutput({ writeErr: () => undefined }));

  // The help shows the values, the methods that take a flag or do not, and the default.
  test.each([
    ["--sparse", "bases of -1, 0 and 1, two thirds of them 0", "Options with --method randlora:"],
    ["--delta-t <n>", "steps between two cuts", "Options with --method adalora:"],
    [
      "--boft-block-size <n>",
      "size of a block; 0 where the next one says it (default: 4)",
      "Options with --method boft:",
    ],
    [
      "--use-rslora",
      "scale by alpha / sqrt(r); alpha is then 16 unless given",
      "Options with --method lora, qlora, dora or rslora:",
    ],
    [
      "--encoder-reparameterization-type <which>",
      "what makes the rows: MLP or LSTM (default: MLP)",
      "Options with --method p-tuning:",
    ],
    [
      "--encoder-hidden-size <n>",
      "width inside of what makes the rows (with prefix, p-tuning)",
      "Options of adapters:",
    ],
    [
      "--virtual-tokens <n>",
      "tokens that are put before sequences (with prefix, prompt, p-tuning, multitask-prompt, cartridge; default: 20)",
      "Options of adapters:",
    ],
    [
      "--alpha <x>",
      "the update is scaled by alpha / r (with lora, qlora, dora, rslora, adalora, loha, lokr, gralora, randlora; default: 2 x --r with lora)",
      "Options of adapters:",
    ],
    [
      "--modules-to-save <names>",
      "modules to train and save in full, such as lm_head (not with houlsby, trainable-tokens, pfeiffer, parallel, adaption-prompt)",
      "Options of adapters:",
    ],
  ])("%s is in the help", (flags, help, group) => {
    const option = command.options.find((option) => option.flags === flags);
    // Other tests of this process may have registered methods.
    const description = option?.description.replaceAll(/, test-[a-z]+/g, "");
    expect([description, option?.helpGroupHeading]).toEqual([help, group]);
  });

  test("are refused if the command has the flag, or no method takes the value", () => {
    expect(() => addAdapterOptions(new Command("y").option("--delta-t <n>"))).toThrow(
      "ADALORA: lowrank y has an option --delta-t already; use another flag",
    );
    expect(() => command.parse(["--encoder-reparameterization-type", "GRU"], { from: "user" })).toThrow(
      "Expected MLP or LSTM.",
    );
    expect(() => command.parse(["--boft-block-size", "x"], { from: "user" })).toThrow("Expected a whole number");
  });
});

describe("options of adapters", () => {
  const [lora, ia3, full] = findMethods(["lora", "ia3", "full"]);

  test("have defaults, and values that replace them", () => {
    expect([plannedSteps, usualSettings]).toEqual([
      1000,
      { r: 8, targetModules: "all-linear", virtualTokens: 20, steps: 1000 },
    ]);
    expect(toPeftConfig(lora, {}, 10)).toMatchObject({ r: 8, loraAlpha: 16, targetModules: "all-linear" });
    expect(toPeftConfig(lora, { r: "4", targetModules: "q,v" }, 10)).toMatchObject({ r: 4, targetModules: ["q", "v"] });
    expect(toPeftConfig(lora, { r: "4" }, 10)).toMatchObject({ r: 4, loraAlpha: 8, useRslora: false });
    expect(toPeftConfig(lora, { r: "4", useRslora: true }, 10)).toMatchObject({ r: 4, loraAlpha: 16, useRslora: true });
    expect(toPeftConfig(lora, { alpha: "3", useRslora: true }, 10)).toMatchObject({ loraAlpha: 3, useRslora: true });
    const targetParameters = "experts.down_proj,gate.weight";
    expect(toPeftConfig(lora, { targetParameters }, 10)).toMatchObject({
      targetModules: null,
      targetParameters: ["experts.down_proj", "gate.weight"],
    });
    expect(toPeftConfig(lora, { targetParameters, targetModules: "q" }, 10)).toMatchObject({ targetModules: ["q"] });
    expect(toPeftConfig(full, {}, 10)).toBe(null);
  });

  test.each<[name: string, options: object, message: RegExp]>([
    [
      "full",
      { r: "4", alpha: "2" },
      /^--alpha, --r is for an adapter; leave it out with --method full$|^--r, --alpha is/,
    ],
    ["ia3", { r: "4" }, /^--r is no option of ia3, which has --target-modules, .*; leave it out$/],
    ["ia3", { useDora: "true" }, /; leave it out, or take --method lora, qlora, dora or rslora$/],
    ["ia3", { initLoraWeights: "true" }, /; leave it out$/],
    ["ia3", { sparse: "true" }, /; leave it out, or take --method randlora$/],
    ["lora", { r: "x" }, /^--r is "x", which lora does not accept. Expected a whole number of at least 1.$/],
  ])("that %s does not take are refused: %j", (name, options, message) => {
    expect(() => toPeftConfig(findMethods([name])[0], options, 10)).toThrow(message);
  });
  test("of a file go with its own method alone", async () => {
    expect(ia3.peft?.peftType).toBe("IA3");
    const peftConfig = await file("lora.json", { peft_type: "LORA", r: 3, task_type: "CAUSAL_LM" });
    for (const method of ["lora", "qlora"]) {
      expect((await trainedConfig({ method, peftConfig }))(10)).toMatchObject({ r: 3, taskType: "CAUSAL_LM" });
    }
    const says = "--peft-config already describes the adapter; leave ";
    await expect(trainedConfig({ method: "dora", peftConfig })).rejects.toThrow(`${says}--method dora out`);
    await expect(trainedConfig({ method: "lora", peftConfig, r: "4" } as never)).rejects.toThrow(`${says}--r out`);
    await expect(trainedConfig({ method: "ia3", peftConfig, r: "4" } as never)).rejects.toThrow(
      `${says}--method ia3, --r out`,
    );
    await expect(trainedConfig({ method: "lora", peftConfig }, "SEQ_CLS")).rejects.toThrow(
      `${peftConfig}: task_type is CAUSAL_LM; for this command it must be SEQ_CLS or absent`,
    );
    const open = await file("open.json", { peft_type: "LORA" });
    expect((await trainedConfig({ method: "lora", peftConfig: open }, "SEQ_CLS"))(10)).toMatchObject({
      taskType: "SEQ_CLS",
    });
    expect((await trainedConfig({ method: "lora" }))(10)).toMatchObject({ taskType: "CAUSAL_LM", r: 8 });
    expect((await trainedConfig({ method: "full" }))(10)).toBe(null);
  });

  test("of a file that is not there name it", async () => {
    await expect(readPeftConfig(join(folder, "none"))).rejects.toThrow("--peft-config: there is no file or folder ");
    await expect(readPeftConfig(folder)).rejects.toThrow(`--peft-config: ${folder} has no adapter_config.json`);
  });

  test("make virtual tokens with methods of prompts alone", async () => {
    expect(
      await Promise.all([null, new LoraConfig(), new PromptTuningConfig({ numVirtualTokens: 7 })].map(virtualTokens)),
    ).toEqual([0, 0, 7]);
  });
});

describe("plugins", () => {
  test("are the files after --plugin, before --", () => {
    const words = ["train", "--plugin", "a.mjs", "--plugin=b.mjs", "--", "--plugin", "c.mjs"];
    expect(pluginFiles(words)).toEqual([resolve("a.mjs"), resolve("b.mjs")]);
    expect(pluginFiles(["train", "--plugin"])).toEqual([]);
    expect(pluginFiles(["--plugin", "a", "x"])).toEqual([resolve("a")]);
    expect(pluginFiles(["x", "--plugin", "a"])).toEqual([resolve("a")]);
    expect(pluginFiles(["--plugin=a", "--"])).toEqual([resolve("a")]);
    expect(pluginFiles(["--", "--plugin=c.mjs"])).toEqual([]);
    expect(pluginFiles(["x", "--plugins", "a"])).toEqual([]);
  });

  test("are modules that run when they are read", async () => {
    await loadPlugins([]);
    const good = await file("good.mjs", "globalThis.pluginRuns = (globalThis.pluginRuns ?? 0) + 1;");
    await loadPlugins([good]);
    expect((globalThis as { pluginRuns?: number }).pluginRuns).toBe(1);
    const none = join(folder, "none.mjs");
    await expect(loadPlugins([none])).rejects.toThrow(
      `--plugin ${none}: there is no such file; give the path of an ES`,
    );
    await expect(loadPlugins([folder])).rejects.toThrow(`--plugin ${folder} is a folder; give the module in it`);
  });

  const thrown = (message: string, code?: string) =>
    `throw Object.assign(new Error(${JSON.stringify(message)}), ${JSON.stringify({ code })});`;
  test.each([
    ["a", thrown("boom"), "boom; correct the module"],
    ["b", thrown("no package\nmore", "ERR_MODULE_NOT_FOUND"), "no package; install it next to the plugin"],
    [
      "c",
      thrown("x.ts", "ERR_UNKNOWN_FILE_EXTENSION"),
      `${process.version} runs no TypeScript; use Node 22.18 or later`,
    ],
    ["d", thrown("x.css", "ERR_UNKNOWN_FILE_EXTENSION"), "x.css; correct the module"],
    ["e", thrown("x.ts"), "x.ts; correct the module"],
    ["f", "throw 7;", "7; correct the module"],
  ])("that throw are named with the reason: %s", async (name, content, message) => {
    const path = await file(`${name}.mjs`, content);
    await expect(loadPlugins([path])).rejects.toThrow(`--plugin ${path} cannot be read: ${message}`);
  });
});

import { readFileSync } from "node:fs";
import { Generator, init, reference } from "@lowrank/core";
import { memoryFiles } from "@lowrank/files";
import { type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { getPeftModel, LoraConfig, peftMethods } from "@lowrank/peft";
import { Trainer, type TrainerOptions, trainingSteps } from "@lowrank/train";
import { beforeAll, expect, test } from "vitest";
import { toPeftConfig } from "../cli/options/adapterConfig.ts";
import { trainedConfig } from "../cli/options/trainedConfig.ts";
import { trainerSettings } from "../cli/options/trainerFlags.ts";
import { allMethods, findMethods } from "../report/methods.ts";
import { usualRate } from "./train/learner.ts";
import { type TrainCommandOptions, trainCommand } from "./train/train.ts";

const pages = new URL("../../../../docs/", import.meta.url);
const page = readFileSync(new URL("choosing.md", pages), "utf8");
const examples = [{ inputIds: [1, 2, 3], labels: [1, 2, 3] }];

/** Returns the rows of the first table after a heading of the page, without backticks and link targets. */
function table(heading: string): string[][] {
  const lines = page.slice(page.indexOf(`\n${heading}\n`)).split("\n");
  const first = lines.findIndex((line) => line.startsWith("|"));
  const rest = lines.slice(first);
  const rows = rest.slice(
    2,
    rest.findIndex((line) => !line.startsWith("|")),
  );
  const text = (cell: string) =>
    cell
      .trim()
      .replaceAll("`", "")
      .replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1");
  return rows.map((row) => row.split("|").slice(1, -1).map(text));
}

const model = (): CausalLM =>
  createModel(
    parseModelConfig({
      ...{ model_type: "llama", vocab_size: 11, hidden_size: 8, intermediate_size: 12, num_hidden_layers: 1 },
      ...{ num_attention_heads: 2, max_position_embeddings: 16 },
    }),
    randomParameters(new Generator(5)),
  ) as CausalLM;

/** Settings of a `Trainer` with only a learning rate, and of its LoRA adapter, as recorded in its checkpoint. */
async function codeDefaults(): Promise<Record<string, unknown>> {
  const folder = memoryFiles({});
  const options: TrainerOptions = { learningRate: 1, maxSteps: 1, checkpoints: { folder, every: 1 } };
  const { evaluations } = await new Trainer(await getPeftModel(model(), new LoraConfig()), examples, options).train();
  const { fingerprint } = JSON.parse(await folder.readText("checkpoint-1/trainer_state.json"));
  const adapter = (key: string) => fingerprint[`adapter_config.json: ${key}`];
  return {
    ...fingerprint,
    ...{ r: adapter("r"), loraAlpha: adapter("lora_alpha"), loraDropout: adapter("lora_dropout") },
    ...{ targetModules: adapter("target_modules").join(", "), taskType: adapter("task_type") },
    learningRate: "required",
    // One epoch of these examples is one step.
    epochs: trainingSteps(8, {}),
    maxLength: fingerprint.maxLength ?? "no limit",
    ...{ evaluation: evaluations[0]?.step ?? "none", "evaluation.every": evaluations[1]?.step ?? "none" },
  };
}

/** Returns the default of `--alpha` with a method: a value, or a multiple of the rank. */
function alphaOf(name: string, more: object = {}): string {
  const [method] = findMethods([name]);
  const [low, high] = [8, 32].map((r) => {
    return (toPeftConfig(method, { r: `${r}`, ...more }, 10) as LoraConfig).loraAlpha;
  });
  return low === high ? `${low}` : `${low / 8} x --r${high === 4 * low ? "" : ", about"}`;
}

/** Effective settings of a run of `lowrank train` without optional flags, by flag. */
async function commandSettings(code: Record<string, unknown>): Promise<Record<string, unknown>> {
  const train = trainCommand();
  train.parseOptions(["--model", "m", "--data", "d", "--output", "o"]);
  const options = train.opts<TrainCommandOptions>();
  const config = (await trainedConfig(options))(10) as LoraConfig;
  const { minLr, precision } = trainerSettings(options, [], { lowerIsBetter: [], measure: async () => ({}) });
  const stated = (flag: string) => {
    const { description } = train.options.find(({ long }) => long === flag)!;
    return /default: ([^,)]*)[^)]*\)$/.exec(description)?.[1];
  };
  const { schedule, optimizer, epochs, seed } = options;
  return {
    ...{ "--r": config.r, "--target-modules": config.targetModules, "--dropout": config.loraDropout },
    ...{ "--task": config.taskType, "--lr": `${usualRate(null, options).toExponential()}, by method` },
    ...{ "--schedule": schedule, "--warmup-steps": options.warmupSteps, "--weight-decay": options.weightDecay },
    ...{ "--min-lr": minLr ?? code.minLr, "--precision": precision ?? code.precision },
    ...{ "--max-grad-norm": options.maxGradNorm, "--optimizer": optimizer, "--batch-size": options.batchSize },
    ...{ "--accumulate": options.accumulate, "--epochs": epochs, "--seed": seed },
    ...{ "--max-length": stated("--max-length"), "--validation-fraction": options.validationFraction },
    "--eval-every": options.evalEvery ?? stated("--eval-every"),
  };
}

beforeAll(() => init(reference()));

test("the page has the defaults of LoraConfig and Trainer, and of lowrank train", async () => {
  const rows = table("## Defaults of code and command");
  expect(rows).toHaveLength(21);
  const code = await codeDefaults();
  const command = await commandSettings(code);
  for (const [setting, option, inCode, flag, inCommand] of rows) {
    expect(`${code[option]}`, `${setting} in code`).toBe(inCode);
    const alpha = { alpha: alphaOf("lora"), "alpha with rsLoRA": alphaOf("rslora") }[setting];
    expect(`${alpha ?? command[flag]}`, `${setting} of the command`).toBe(inCommand);
  }
});

test("alpha follows the rank, except with rsLoRA", () => {
  expect(["lora", "qlora", "dora", "rslora"].map((name) => alphaOf(name))).toEqual([
    "2 x --r",
    "2 x --r",
    "2 x --r",
    "16",
  ]);
  expect(alphaOf("dora", { useRslora: true })).toBe("16");
  expect(alphaOf("lora", { useRslora: true, alpha: "3" })).toBe("3");
});

test("learningRate has no default in code", async () => {
  const peft = await getPeftModel(model(), new LoraConfig());
  expect(() => new Trainer(peft, examples, {})).toThrow("learningRate");
});

test("the page has the learning rate of every method", () => {
  const listed = table("### Rates").flatMap(([rate, names]) => names.split(", ").map((name) => [name, rate] as const));
  // Other tests of this process may have registered methods.
  const expected = allMethods()
    .filter(({ peft }) => peft === null || peft.peftType in peftMethods)
    .map(({ name }) => [name, usualRate(null, { method: name, optimizer: "adamw" }).toExponential()] as const);
  expect(Object.fromEntries(listed)).toEqual(Object.fromEntries(expected));
  expect(listed).toHaveLength(expected.length);
});

test.each(["methods.md", "training.md", "cli.md", "first-fine-tune.md", "README.md"])(
  "docs/%s refers to the page",
  (name) => {
    expect(readFileSync(new URL(name, pages), "utf8")).toContain("](choosing.md");
  },
);

test("the help names the page, and each default of the adapter that differs", () => {
  const written: string[] = [];
  const command = trainCommand().configureOutput({ writeOut: (text) => void written.push(text) });
  command.outputHelp();
  const help = written.join("");
  expect(help).toContain("docs/choosing.md");
  const differing = table("## Defaults of code and command").filter(
    ([, , inCode, , inCommand]) => inCode !== inCommand,
  );
  const flags = new Set(differing.map(([, , , flag]) => flag));
  expect([...flags]).toEqual([
    "--alpha",
    "--target-modules",
    "--task",
    "--lr",
    "--max-length",
    "--validation-fraction",
    "--eval-every",
  ]);
  const notes = help.slice(help.indexOf("differ from LoraConfig and Trainer"));
  for (const words of ["--alpha", "--target-modules", "validation"]) expect(notes).toContain(words);
});

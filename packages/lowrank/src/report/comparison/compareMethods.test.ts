import { init, manualSeed, zeros } from "@lowrank/core";
import { describeModel, presetConfig } from "@lowrank/models";
import { BatchNorm1d, Linear, ReLU, Sequential } from "@lowrank/nn";
import {
  describeModule,
  getPeftModel,
  IA3Config,
  LNTuningConfig,
  LoraConfig,
  OFTConfig,
  PrefixTuningConfig,
  planMemory,
  reportAdapter,
} from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { tinyConfig, tinyLlama } from "../../testing/tinyLlama.ts";
import { compareMethods } from "./compareMethods.ts";
import { toCsv, toText } from "./comparisonText.ts";

beforeAll(async () => void (await init(wasm())));

const all = (r = 4) => new LoraConfig({ r, targetModules: "all-linear" });

test("a row has the costs that reportAdapter and planMemory compute", async () => {
  const shapes = describeModel(tinyConfig);
  const { rows, failed, ...head } = await compareMethods(tinyConfig, [all(), null], {
    batchSize: 2,
    sequenceLength: 8,
  });
  expect(failed).toEqual([]);
  expect(head).toMatchObject({ modelType: "llama", dtype: "f32", batchSize: 2, sequenceLength: 8, settings: null });
  for (const [i, adapter] of [all(), null].entries()) {
    const report = await reportAdapter(shapes, adapter, { sequenceLength: 8 });
    const plan = await planMemory(shapes, { adapter, batchSize: 2, sequenceLength: 8 });
    const { trainable, total, percent, bytesSaved, bytesTrained, optimizerBytes, baseBytes, mergeable } = report;
    expect(rows[i]).toMatchObject({
      ...{ trainable, total, percent, bytesSaved, bytesTrained, optimizerBytes, baseBytes, mergeable },
      ...{ gradientBytes: plan.gradients.bytes, activationBytes: plan.activations, fits: null },
      ...{ trainingBytes: plan.training.bytes, flopsPerToken: report.inference.flopsPerToken },
    });
  }
});

test("ranks, targets and quantisations multiply the methods that have them", async () => {
  const { rows } = await compareMethods(tinyConfig, [all(), "ia3", (r) => new LoraConfig({ r, useDora: true })], {
    ...{ ranks: [2, 4], targets: [["q_proj"], ["q_proj", "v_proj"]], quantization: [null, "nf4"] },
  });
  const lora = rows.filter(({ settings, peftType }) => peftType === "LORA" && !settings.includes("useDora"));
  expect(lora.map(({ rank, quantization }) => `${rank} ${quantization}`)).toEqual(
    [2, 2, 4, 4].flatMap((r) => [`${r} null`, `${r} nf4`]),
  );
  const [one, , two, , double] = lora.map(({ trainable }) => trainable);
  expect([two, double]).toEqual([expect.any(Number), 2 * one]);
  expect(two).toBeGreaterThan(one);
  expect(lora[1].baseBytes).toBeLessThan(lora[0].baseBytes);
  // (IA)³ does not have a rank.
  expect(rows.filter(({ peftType }) => peftType === "IA3").map(({ rank }) => rank)).toEqual([null, null, null, null]);
  expect(rows).toHaveLength(8 + 4 + 8);
});

test("names stand for recipes, with their own quantisation", async () => {
  const { rows, settings } = await compareMethods(tinyConfig, ["lora", "qlora", "full"], { targets: ["all-linear"] });
  expect(rows.map(({ name, quantization }) => [name, quantization])).toEqual([
    ["LoRA", null],
    ["QLoRA (NF4)", "nf4"],
    ["full fine-tuning", null],
  ]);
  expect(settings).toEqual({ ranks: [8], targets: ["all-linear"], virtualTokens: 20 });
});

test("a configuration has the title of the most similar recipe, unless it is named", async () => {
  const dora = new LoraConfig({ r: 3, useDora: true, targetModules: ["q_proj"] });
  const configs = [
    all(),
    dora,
    new LoraConfig({ useRslora: true, targetModules: ["q_proj"] }),
    { name: "ours", config: dora },
  ];
  const { rows } = await compareMethods(tinyConfig, configs);
  expect(rows.map(({ name }) => name)).toEqual(["LoRA", "DoRA", expect.stringContaining("rsLoRA"), "ours"]);
});

test("explicit targets and virtual tokens apply to each method", async () => {
  const options = { targets: [["q_proj"]], virtualTokens: 3 };
  const prefix = new PrefixTuningConfig({ numVirtualTokens: 9 });
  const { rows } = await compareMethods(tinyConfig, ["ia3", "lora", prefix], options);
  expect(rows.map(({ settings }) => settings)).toEqual([
    expect.stringContaining('targetModules=["q_proj"]'),
    expect.stringContaining('targetModules=["q_proj"]'),
    "numVirtualTokens=3",
  ]);
});

test("a method that does not fit the model is listed with the error and its code", async () => {
  const { rows, failed } = await compareMethods(
    "gpt2",
    [new OFTConfig({ targetModules: ["c_attn"] }), new IA3Config()],
    {
      sequenceLength: 4,
    },
  );
  expect(rows.map(({ name }) => name)).toEqual(["(IA)³"]);
  expect(failed).toEqual([
    {
      ...{ name: "OFT", rank: null, quantization: null, targets: ["c_attn"], code: "invalid_option" },
      why: expect.stringContaining("c_attn, a Conv1D; OFT adapts"),
    },
  ]);
  const quantized = await compareMethods(tinyConfig, [null], { quantization: "nf4" });
  expect(quantized.failed[0]).toMatchObject({ name: "full fine-tuning", quantization: "nf4" });
});

test("rows and failures of one method have their targets, in the table and below it", async () => {
  const targets = [["q_proj", "v_proj"], "all-linear", ["lm_hed"]];
  const comparison = await compareMethods(tinyConfig, ["lora"], { targets, ranks: [2] });
  expect(comparison.rows.map((row) => row.targets)).toEqual(targets.slice(0, 2));
  expect(comparison.failed.map((method) => method.targets)).toEqual([["lm_hed"]]);
  const text = toText(comparison);
  expect(text).toMatch(/^method {2}targets +rank /m);
  expect(text).toMatch(/^LoRA {4}q_proj, v_proj +2 /m);
  expect(text).toMatch(/^LoRA {4}all-linear +2 /m);
  expect(text).toMatch(/^LoRA \(rank 2, lm_hed\): targetModules \["lm_hed"\] matches no module/m);
  expect(toCsv(comparison)).toMatch(/^LoRA,2,.*,targetModules=lm_hed,/m);
  expect(toText(await compareMethods(tinyConfig, ["lora", "ia3"]))).not.toContain("targets  ");
});

test("a failure has quotes around the name of a module", async () => {
  const net = new Sequential(new Linear(64, 64), new ReLU(), new Linear(64, 2));
  const config = new LNTuningConfig({ targetModules: ["0"] });
  const { failed } = await compareMethods(net, [config], { quantization: "nf4" });
  expect(failed[0].why).toMatch(/^"0" is nf4: a packed weight cannot be trained/);
});

test("a memory budget is compared with the training memory", async () => {
  const {
    rows: [{ trainingBytes }],
  } = await compareMethods(tinyConfig, [all()]);
  const fits = async (memory: number) => (await compareMethods(tinyConfig, [all()], { memory })).rows[0].fits;
  expect(await fits(trainingBytes as number)).toBe(true);
  expect(await fits((trainingBytes as number) - 1)).toBe(false);
});

describe("the model", () => {
  const trainable = async (...args: Parameters<typeof compareMethods>) =>
    (await compareMethods(...args)).rows.map((row) => row.trainable);

  test("is a preset, a config, its JSON, shapes or a loaded model, which stays as it is", async () => {
    const json = { model_type: "gpt2", n_embd: 8, n_layer: 1, n_head: 2, vocab_size: 9, torch_dtype: "bfloat16" };
    const { dtype, rows } = await compareMethods(json, [all()], { sequenceLength: 4 });
    expect([dtype, rows[0].trainable]).toEqual(["bf16", 4 * (8 + 24 + 8 + 8 + 8 + 32 + 32 + 8)]);
    const model = tinyLlama();
    const before = [...model.namedParameters()];
    const counts = await Promise.all([tinyConfig, describeModel(tinyConfig), model].map((m) => trainable(m, [all()])));
    expect(new Set(counts.map(String)).size).toBe(1);
    expect([...model.namedParameters()]).toEqual(before);
    expect(await trainable(await getPeftModel(model, all()), [all()])).toEqual(counts[0]);
    expect((await compareMethods("gpt2", [new IA3Config()], { sequenceLength: 4 })).source).toBe("gpt2");
  });

  test("is a module of the user's own, whose operations are counted if inputs are given", async () => {
    manualSeed(3);
    const net = new Sequential(new Linear(12, 8), new BatchNorm1d(8), new ReLU(), new Linear(8, 2));
    const config = new LoraConfig({ r: 2, targetModules: ["0", "3"] });
    const { rows, source, batchSize } = await compareMethods(net, [config, null]);
    expect([source, batchSize, rows[0].trainable]).toEqual(["Sequential", 1, 2 * (12 + 8 + 8 + 2)]);
    expect(rows[0]).toMatchObject({ flopsPerToken: null, activationBytes: null, trainingBytes: null, fits: null });
    expect(rows[1].trainable).toBe(12 * 8 + 8 + 16 + 16 + 2);
    const described = describeModule(net, { inputs: () => [zeros([5, 12])] });
    const {
      rows: [lora],
      ...comparison
    } = await compareMethods(described, [config]);
    expect(lora).toMatchObject({ flopsPerToken: 2 * 2 * (12 + 8 + 8 + 2), trainingBytes: expect.any(Number) });
    expect(comparison).toMatchObject({ batchSize: 5, sequenceLength: 1 });
    const real = await getPeftModel(net, config);
    expect(real.getNbTrainableParameters()).toEqual({ trainable: lora.trainable, all: lora.total });
  });

  test("is a classifier, with a label for each sequence", async () => {
    const sizes = {
      hidden_size: 8,
      intermediate_size: 12,
      num_hidden_layers: 1,
      num_attention_heads: 2,
      vocab_size: 9,
    };
    const json = { model_type: "bert", architectures: ["BertForSequenceClassification"], ...sizes };
    const config = new LoraConfig({ r: 2, targetModules: ["query"], taskType: "SEQ_CLS" });
    for (const problem_type of ["single_label_classification", "multi_label_classification", "regression"]) {
      const { rows, failed } = await compareMethods({ ...json, problem_type }, [config]);
      expect(failed).toEqual([]);
      expect(rows[0].trainingBytes).toBeGreaterThan(rows[0].baseBytes);
    }
    const { rows } = await compareMethods({ ...json, architectures: ["BertModel"] }, [new LoraConfig({ r: 2 })]);
    expect(rows[0]).toMatchObject({ trainingBytes: null, gradientBytes: 4 * rows[0].trainable });
  });
});

describe("misuse", async () => {
  await init(wasm());
  const adapted = await getPeftModel(new Sequential(new Linear(2, 2)), new LoraConfig({ r: 1, targetModules: ["0"] }));

  test.each<[string, Parameters<typeof compareMethods>, string]>([
    ["an unknown method", [tinyConfig, ["qlra"]], 'configs has no method "qlra"; did you mean "qlora"?'],
    ["an unknown preset", ["gpt22", ["lora"]], 'there is no preset "gpt22"'],
    ["something else as a model", [{}, ["lora"]], "compareMethods: model is {}; give a module, a model config,"],
    ["a method of another kind", [tinyConfig, [3 as never]], "configs contains 3; give a configuration, the name"],
    ["a rank of 0", [tinyConfig, ["lora"], { ranks: [4, 0] }], "ranks has 0; give whole numbers of at least 1"],
    ["an adapted module", [adapted, ["lora"]], "model is a PeftModel on Sequential; give the module before"],
    [
      "a quantisation of another kind",
      [tinyConfig, ["lora"], { quantization: "nf5" as never }],
      'quantization is "nf5"; give "nf4", "fp4", the options of quantize, or null',
    ],
    ["a rank that is not in a list", [tinyConfig, ["lora"], { ranks: 3 as never }], "ranks is 3; give a list of ranks"],
    [
      "targets that are not in a list",
      [tinyConfig, ["lora"], { targets: "q_proj" as never }],
      'targets is "q_proj"; give a list of targets, each for a row of its own, such as ["all-linear", [',
    ],
    [
      "a method that is not in a list",
      [tinyConfig, "lora" as never],
      'compareMethods: configs is "lora"; give a list of methods, such as ["lora", "full"]',
    ],
    ["a configuration that is not in a list", [tinyConfig, all() as never], "configs is a LoraConfig; give a list of"],
    ["no list of methods", [tinyConfig, undefined as never], "configs is undefined; give a list of methods"],
    ["no methods", [tinyConfig, []], "configs is an empty list"],
    ["too many tokens", [tinyConfig, ["lora", "full"], { sequenceLength: 1e8 }], "is 100000000, but the model has"],
    ["a budget of 0", [tinyConfig, ["lora"], { memory: 0 }], "memory is 0; give a number of bytes above 0"],
    [
      "a mistyped option",
      [tinyConfig, ["lora"], { rank: [4] } as never],
      "there is no option rank; did you mean ranks?",
    ],
  ])("%s", async (_, args, message) => {
    await expect(compareMethods(...args)).rejects.toThrow(message);
  });
});

test("presets can be given as configs", async () => {
  const { rows } = await compareMethods(presetConfig("gpt2"), [new IA3Config()], { sequenceLength: 4 });
  expect(rows[0].trainable).toBe(12 * (768 * 3 + 3072));
});

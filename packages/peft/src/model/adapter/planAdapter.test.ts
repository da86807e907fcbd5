import {
  bytesSource,
  Generator,
  init,
  memory,
  openSafetensors,
  randn,
  reference,
  scope,
  type Tensor,
} from "@lowrank/core";
import { Embedding, Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import type { PeftConfig } from "../../config/peftConfig.ts";
import type { Warning } from "../../config/warning.ts";
import { AdapterSlot } from "../../layers/adapterSlot.ts";
import { LoraConfig, type LoraOptions } from "../../methods/lora/loraConfig.ts";
import { AdaLoraConfig } from "../../methods/lowRank/adaLoraConfig.ts";
import { LilyConfig } from "../../methods/lowRank/lilyConfig.ts";
import { PrefixTuningConfig } from "../../methods/prompt/prefixTuning.ts";
import { PromptTuningConfig } from "../../methods/prompt/promptTuning.ts";
import { PromptEncoderConfig } from "../../methods/prompt/pTuning.ts";
import { methodOf } from "../../methods/registry.ts";
import { VeraConfig } from "../../methods/sharedVectors/veraConfig.ts";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { PeftModel } from "../../peftModel/peftModel.ts";
import { logitBits, TinyModel, type TinyOptions, tinyBatch, train } from "../../testing/tinyModel.ts";
import { evaluating, inTraining } from "../evaluating.ts";
import { isPromptable } from "./checkFits.ts";
import { checkDisjoint, withHeads } from "./planAdapter.ts";

beforeAll(() => init(reference()));

const lora = (options: LoraOptions) => new LoraConfig({ r: 2, initLoraWeights: false, ...options });

async function made(configs: Readonly<Record<string, PeftConfig>>, options: TinyOptions = {}) {
  const warnings: Warning[] = [];
  const peft = new PeftModel(new TinyModel(options).eval(), (warning) => void warnings.push(warning));
  for (const [name, config] of Object.entries(configs)) await peft.addAdapter(name, config);
  return { peft, warnings };
}

/** Returns the keys in an adapter's file, below the base model. */
async function keysOf(peft: PeftModel, name: string): Promise<string[]> {
  const files = await peft.adapterFiles([name]);
  const file = [...files].find(([path]) => path.endsWith(".safetensors"))![1] as Uint8Array;
  const { names } = { names: (await openSafetensors(bytesSource(file), "f")).names() };
  return names.map((key) => key.replace("base_model.model.", ""));
}

describe("task heads", () => {
  test.each([
    ["SEQ_CLS", null, ["classifier", "score"]],
    ["TOKEN_CLS", ["norm", "score"], ["norm", "score", "classifier"]],
    ["QUESTION_ANS", [], ["qa_outputs"]],
    ["CAUSAL_LM", null, null],
    [null, ["norm"], ["norm"]],
  ] as const)("%s with modulesToSave %j saves %j", async (taskType, modulesToSave, expected) => {
    const config = new LoraConfig({ taskType, modulesToSave });
    expect(withHeads(config, await methodOf(config)).config.modulesToSave).toEqual(expected);
  });

  test("a method without heads keeps the configuration", async () => {
    const config = new LoraConfig({ taskType: "SEQ_CLS" });
    const method = { ...(await methodOf(config)), trainsHeads: false } as never;
    expect(withHeads(config, method)).toEqual({ config, heads: [] });
  });
});

test.each([
  [["a.b", "a"], "a.b is inside a,"],
  [["ab", "ab.c.d.e"], "ab.c.d.e is inside ab,"],
  [["x.y.z", "x.y"], "x.y.z is inside x.y,"],
  [
    ["a", "b", "a"],
    "a is named more than once by targetModules, modulesToSave, targetParameters and trainableTokenIndices; exclude it from targetModules",
  ],
])("%j are not apart", (paths, message) => {
  expect(() => checkDisjoint(paths)).toThrow(message);
});

test("modules beside each other are apart", () => {
  checkDisjoint(["a.b", "a.c", "ab", "a.bc.d", "", "b"]);
});

describe("a second adapter on the same modules", () => {
  const up = ["up"];
  test.each<[string, LoraOptions, string[]]>([
    ["adapted biases", { targetModules: up, bias: "lora_only" }, ["layers.0.up.base_layer.bias"]],
    [
      "named tokens",
      { targetModules: up, trainableTokenIndices: { embed_tokens: [1] } },
      ["embed_tokens.token_adapter.trainable_tokens_delta"],
    ],
    ["biases", { targetModules: up, bias: "all" }, ["layers.0.up.base_layer.bias", "layers.0.norm.bias"]],
    [
      "tokens",
      { targetModules: up, trainableTokenIndices: [1, 3] },
      ["embed_tokens.token_adapter.trainable_tokens_delta"],
    ],
    [
      "tables",
      { targetModules: ["embed_tokens"] },
      ["embed_tokens.base_layer.weight", "embed_tokens.lora_embedding_A"],
    ],
  ])("with %s has the tensors that it has alone", async (_, options, some) => {
    const alone = await keysOf((await made({ b: lora(options) })).peft, "b");
    const { peft } = await made({ a: lora(options), b: lora(options) });
    expect(await keysOf(peft, "b")).toEqual(alone);
    expect(alone).toEqual(expect.arrayContaining(some));
  });
});

test("a second adapter may not use a module in another way", async () => {
  const whole = lora({ targetModules: ["up"], modulesToSave: ["embed_tokens"] });
  const rows = lora({ targetModules: ["up"], trainableTokenIndices: [1] });
  const layer = lora({ targetModules: ["up", "embed_tokens"] });
  for (const [a, b] of [
    [whole, rows],
    [rows, whole],
    [layer, rows],
    [rows, layer],
    [layer, whole],
    [whole, layer],
  ]) {
    await expect(made({ a, b })).rejects.toThrow("embed_tokens: another adapter uses this module in another way");
  }
});

test("files contain modules that are trained whole once, and no warning is given for them", async () => {
  const { peft, warnings } = await made({ a: lora({ targetModules: ["up"], modulesToSave: ["norm"] }) });
  expect((await keysOf(peft, "a")).filter((key) => key.includes("norm"))).toEqual([
    "layers.0.norm.bias",
    "layers.0.norm.weight",
    "layers.1.norm.bias",
    "layers.1.norm.weight",
  ]);
  expect(warnings).toEqual([]);
});

test("files of prompt methods contain rows and modules that are trained whole", async () => {
  const options = { numVirtualTokens: 2, modulesToSave: ["lm_head"] };
  for (const config of [
    new PromptEncoderConfig(options),
    new PrefixTuningConfig({ ...options, prefixProjection: true }),
  ]) {
    const { peft } = await made({ a: config }, { attention: true });
    expect(await keysOf(peft, "a")).toEqual(["base_model.lm_head.weight", "prompt_embeddings"]);
  }
});

test.each([true, false])(
  "saveProjection: %j decides whether VeRA's projections are in the file",
  async (saveProjection) => {
    const { peft } = await made({ a: new VeraConfig({ r: 2, targetModules: ["layers.0.up"], saveProjection }) });
    const own = ["layers.0.up.vera_lambda_b", "layers.0.up.vera_lambda_d"];
    const found = (await keysOf(peft, "a")).map((key) => key.replace("base_model.", ""));
    expect(found.sort()).toEqual(saveProjection ? [...own, "vera_A", "vera_B"].sort() : own);
  },
);

test("a start that changes one weight is a warning, and a tied weight cannot be changed", async () => {
  const pissa = (name: string) => lora({ initLoraWeights: "pissa", targetModules: [name] });
  const { warnings } = await made({ a: pissa("layers.0.up") });
  const message = expect.stringContaining("the initialisation sets the weights of 1 base layers permanently");
  expect(warnings).toEqual([{ code: "changed-base", message }]);
  await expect(made({ a: pissa("lm_head") }, { tied: true })).rejects.toThrow(
    "an initialisation that changes a layer's weight cannot be used on a tied weight",
  );
});

test.each<[LoraOptions, Warning[]]>([
  [{ targetModules: ["up"] }, []],
  [{ targetModules: ["up"], rankPattern: { up: 3 } }, []],
  [
    { targetModules: ["up"], rankPattern: { down: 3 } },
    [{ code: "unused-pattern", message: 'these match no target: rankPattern "down"' }],
  ],
  [
    { targetModules: ["up"], modulesToSave: ["norm", "x"] },
    [{ code: "missing-module", message: "modulesToSave: no module's path ends with x; nothing is saved for it" }],
  ],
  [
    { targetModules: ["up", "down"], initLoraWeights: "eva" },
    [{ code: "needs-data", message: expect.stringContaining("call initializeLoraEvaWeights before training") }],
  ],
  [
    { targetModules: ["up", "other"], rankPattern: { up: 3 } },
    [{ code: "unmatched-target", message: expect.stringContaining("nothing is named other;") }],
  ],
  [
    { targetModules: ["up"], rankPattern: { up: 3, "0.up": 4 } },
    [
      {
        code: "ambiguous-pattern",
        message: expect.stringContaining('rankPattern: "up" and "0.up" both say layers.0.up'),
      },
    ],
  ],
  [
    { targetModules: ["up", "other"], alphaPattern: { up: 3, "0.up": 4, x: 1 } },
    [
      { code: "unmatched-target", message: expect.stringContaining("nothing is named other;") },
      { code: "unused-pattern", message: 'these match no target: alphaPattern "x"' },
      { code: "ambiguous-pattern", message: expect.stringContaining('alphaPattern: "up" and "0.up"') },
    ],
  ],
])("%j gives warnings in order", async (options, expected) => {
  expect((await made({ a: lora(options) })).warnings).toEqual(expected);
});

test("the rows of a tied table are trained in both modules", async () => {
  const { peft } = await made({ a: lora({ targetModules: ["up"], trainableTokenIndices: [3] }) }, { tied: true });
  expect([...peft.base_model.wrappers.keys()].filter((path) => !path.endsWith("up"))).toEqual([
    "embed_tokens",
    "lm_head",
  ]);
});

test("initial values are drawn from seed 0 by default", async () => {
  const values = async (generator?: Generator) => {
    const peft = await getPeftModel(new TinyModel(), lora({ targetModules: ["up"] }), { generator });
    return [...peft.adapterTensors().values()].map((t) => [...t.dataSync()]);
  };
  expect(await values()).toEqual(await values(new Generator(0)));
});

describe("while another adapter is in effect", () => {
  const one = "layers.0.up";
  const starts = (peft: PeftModel<TinyModel>) =>
    [...peft.adapterTensors("c").values()].map((t: Tensor) => [...t.dataSync()]);

  test("a new one starts from the base weights, also if a single weight is merged", async () => {
    const dora = lora({ useDora: true, targetModules: [one] });
    const { peft: plain } = await made({ c: dora });
    const { peft } = await made({ a: lora({ targetModules: [one] }) });
    peft.setAdapter("a");
    await peft.mergeAdapter();
    await peft.addAdapter("c", dora);
    expect(starts(peft)).toEqual(starts(plain));
  });

  test("the model runs with it while a new one is added", async () => {
    const { peft } = await made({ a: lora({ targetModules: [one] }) });
    peft.setAdapter("a");
    const before = await logitBits(peft);
    let added = false;
    const adding = peft.addAdapter("b", lora({ targetModules: ["up", "down"] })).then(() => {
      added = true;
    });
    let turns = 0;
    while (!added && turns < 200) {
      expect(await logitBits(peft)).toEqual(before);
      expect(peft.withAdapterNames(["a"], () => 5)).toBe(5);
      turns++;
    }
    await adding;
    expect(turns).toBeGreaterThan(1);
  });
});

test("rows cannot have adapters that act on the whole batch", async () => {
  const { peft } = await made(
    {
      prompt: new PromptTuningConfig({ numVirtualTokens: 2 }),
      biased: lora({ targetModules: ["layers.0.up"], bias: "lora_only" }),
      mixing: new LilyConfig({ r: 2, targetModules: ["layers.0.up"] }),
      plain: lora({ targetModules: ["layers.0.up"] }),
    },
    { attention: true },
  );
  const name = (adapter: string) => () => peft.withAdapterNames([adapter], () => 1);
  for (let turn = 0; turn < 2; turn++) {
    expect(name("prompt")).toThrow(
      'withAdapterNames: adapter "prompt" (PROMPT_TUNING) puts virtual tokens before all sequences of a batch',
    );
    expect(name("biased")).toThrow('adapter "biased" (LORA) has its own biases or tables, which all rows share');
    expect(name("mixing")).toThrow(
      'withAdapterNames: adapter "mixing" (LILY) has outputs that depend on the other rows of the batch; use it for',
    );
    expect(name("plain")()).toBe(1);
  }
});

describe("ranks", () => {
  const adaLora = new AdaLoraConfig({ targetModules: ["up"], totalStep: 10, initR: 3, targetR: 1 });

  test("only an active adapter of AdaLoRA that trains has a state of its ranks", async () => {
    const { peft } = await made({ a: adaLora, b: lora({ targetModules: ["up"] }) });
    const count = async () => (await peft.allocationState()).size;
    expect(await count()).toBe(0);
    peft.setAdapter("b");
    expect(await count()).toBe(0);
    await peft.updateAndAllocate(1);
    peft.setAdapter("a");
    scope(() => peft.loss(tinyBatch()).backward());
    await peft.updateAndAllocate(1);
    expect(await count()).toBeGreaterThan(0);
    peft.base_model.setTrainable("a", false);
    expect(await count()).toBe(0);
  });
});

test("modules are in evaluation mode only during the call", () => {
  const model = new TinyModel().train();
  model.lm_head.eval();
  const modes = () => [...model.namedModules()].map(([, { training }]) => training);
  const before = modes();
  expect(evaluating([model], () => modes().includes(true))).toBe(false);
  expect(modes()).toEqual(before);
  expect(() =>
    evaluating([model], () => {
      throw new Error("stop");
    }),
  ).toThrow("stop");
  expect(modes()).toEqual(before);
});

test("a model is in training if a part of it other than an adapter slot is", () => {
  const model = new TinyModel().eval();
  expect(inTraining(model)).toBe(false);
  [...model.layers][0].down.training = true;
  expect(inTraining(model)).toBe(true);
  model.eval();
  model.training = true;
  expect(inTraining(model)).toBe(true);
  model.eval();
  const slot = new AdapterSlot();
  slot.set("a", new Linear(new Parameter(randn([1, 1], { generator: new Generator(1) }))).train());
  Object.assign(model, { slot });
  slot.training = true;
  expect(inTraining(model)).toBe(false);
});

test("an adapter for inference sets the model to evaluation, a trainable one does not", async () => {
  const { peft: source } = await made({ default: lora({ targetModules: ["up"] }) });
  const files = await source.adapterFiles();
  const peft = new PeftModel(new TinyModel().train());
  await peft.loadAdapter(files, "a", { isTrainable: true });
  expect(peft.training).toBe(true);
  await peft.loadAdapter(files, "b");
  expect(peft.training).toBe(false);
});

describe("models for virtual tokens", () => {
  const prompt = new PromptTuningConfig({ numVirtualTokens: 2 });

  test("have sizes, a place for the tokens, and an embedding", async () => {
    class Plain extends Module {
      embed_tokens: UnaryModule = new Embedding(new Parameter(randn([3, 2], { generator: new Generator(1) })));
      attentionSizes = {};

      forward() {}
    }
    expect(isPromptable(new Plain())).toBe(false);
    expect(isPromptable(Object.assign(new AdapterSlot(), { virtualTokens: null }))).toBe(false);
    expect(isPromptable(new TinyModel())).toBe(true);
    await expect(getPeftModel(new Plain(), prompt)).rejects.toThrow("which a Plain does not take");
    const bare = new TinyModel();
    bare.embed_tokens = new Linear(new Parameter(randn([6, 11], { generator: new Generator(1) })));
    await expect(getPeftModel(bare, prompt)).rejects.toThrow("which a TinyModel does not take");
  });

  test("rows without an encoder can be trained after loading, others only before saving", async () => {
    for (const [config, again] of [
      [prompt, true],
      [new PromptEncoderConfig({ numVirtualTokens: 2 }), false],
    ] as const) {
      const peft = await getPeftModel(new TinyModel(), config);
      peft.base_model.setTrainable("default", true);
      train(peft, 1);
      const loading = PeftModel.fromPretrained(new TinyModel(), await peft.adapterFiles(), { isTrainable: true });
      if (again) expect([...(await loading).trainableParameters()]).toHaveLength(1);
      else await expect(loading).rejects.toThrow("cannot be trained further");
    }
  });
});

test("an unused buffer of a failed adapter is freed", async () => {
  const { peft } = await made({ a: lora({ targetModules: ["up"] }) });
  const before = memory().buffers;
  await expect(peft.addAdapter("b", lora({ targetModules: ["nothing"] }))).rejects.toThrow("nothing");
  expect(memory().buffers).toBe(before);
});

test.each([
  [["up"], false],
  [["down"], true],
  [["up", "down"], true],
])("fanInFanOut for %j is %j, by the layers", async (targetModules, expected) => {
  for (const fanInFanOut of [true, false]) {
    const { peft } = await made({ a: lora({ targetModules, fanInFanOut }) });
    expect(peft.peftConfig.get("a")).toMatchObject({ fanInFanOut: expected });
  }
});

test.each([
  [false, ["weight"]],
  [true, ["weight", "bias"]],
])("a merge with loraBias: %j replaces %j", async (loraBias, keys) => {
  const { peft } = await made({ a: lora({ targetModules: ["layers.0.up"], loraBias }) });
  const [step] = peft.base_model.wrappers.get("layers.0.up")!.mergeSteps(["a"], "layers.0.up");
  scope(() => {
    expect(step.merged().map(({ key }) => key)).toEqual(keys);
  });
});

import { Generator, init, memory, mul, OptionError, randn, type Tensor, tanh, tensor } from "@lowrank/core";
import { Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import {
  definePeftMethod,
  IA3Config,
  type LayerAdapter,
  LoHaConfig,
  LoraConfig,
  PeftConfig,
  peftMethods,
  registerPeftMethod,
  targetsOption,
} from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import type { PropertyError } from "../errors/propertyError.ts";
import { exemptionOf } from "../properties/exemptions.ts";
import { mergeEqualsUnmerged } from "../properties/mergeEqualsUnmerged.ts";
import { smallestModel } from "../subjects/modelDescription.ts";
import { faultyLora, wrongMergeScale } from "../testing/faultyMethods.ts";
import { checkMethod, methodNames } from "./checkMethod.ts";

beforeAll(() => init(wasm()));

const prompts = ["PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "MULTITASK_PROMPT_TUNING", "CARTRIDGE", "CPT"];
const withoutMerge = [...prompts, "BOTTLENECK", "ADAPTION_PROMPT", "LILY", "POLY", "BEFT", "SHADOW"];

/** Mixes saved adapters, so that no configuration of it is drawn. */
const undrawn = "XLORA";

test.each(Object.keys(peftMethods).filter((name) => name !== undrawn))(
  "%s merges and loads as it should",
  async (method) => {
    const chosen = ["mergeEqualsUnmerged", "savesAndLoads"] as const;
    const { passed, skipped } = await checkMethod(method, { runs: 1, properties: chosen });
    expect(passed.map(({ property }) => property)).toEqual(withoutMerge.includes(method) ? chosen.slice(1) : chosen);
    for (const { reason } of skipped)
      expect(reason).toMatch(
        /^the (method (puts virtual tokens|adds modules|adds to biases)|update depends on the (inputs|tasks))/,
      );
  },
);

test("a planted fault is shrunk to the smallest model, and the message names the layer and repeats the case", async () => {
  faultyLora("WRONG_SCALE_DRAWN", wrongMergeScale("0.mlp.down_proj", 2));
  expect(await methodNames()).toContain("WRONG_SCALE_DRAWN");
  const checked = checkMethod("WRONG_SCALE_DRAWN", { properties: ["mergeEqualsUnmerged"], runs: 20, seed: 5 });
  const error: PropertyError = await checked.then(
    () => expect.unreachable(),
    (e) => e,
  );
  expect(error.layer).toBe("model.layers.0.mlp.down_proj");
  const [first, shrinks, model, config, repeat] = error.message.split("\n");
  expect(first).toMatch(
    /^mergeEqualsUnmerged: after mergeAdapter, model\.layers\.0\.mlp\.down_proj is the first layer/,
  );
  expect(shrinks).toMatch(/^Smallest failing case after [1-9]\d* shrinks, drawn by fast-check with seed 5:$/);
  expect(model).toBe(
    '  model:  {"architecture":"llama","layers":1,"width":4,"vocabulary":5,"dtype":"f32","quantized":null,"seed":0}',
  );
  expect(config).toBe(
    '  config: {"method":"WRONG_SCALE_DRAWN","recipe":"wrong_scale_drawn","targetModules":"all-linear","options":{}}',
  );
  expect(repeat).toMatch(
    /^ {2}repeat: await mergeEqualsUnmerged\(model, config, \{"inputs":\{.*\},"values":\{.*\}\}\)$/,
  );
});

test("the fixed cases find the fault too, without fast-check", async () => {
  faultyLora("WRONG_SCALE_FIXED", wrongMergeScale("0.mlp.down_proj", 2));
  const checked = checkMethod("WRONG_SCALE_FIXED", { fixed: true, runs: 1 });
  await expect(checked).rejects.toThrow(/down_proj is the first layer.*\n {2}model: {2}\{"architecture":"llama"/s);
});

test("a fixed case that does not fit is replaced by another one", async () => {
  // The first fixed model has no biases.
  const { passed } = await checkMethod("BITFIT", { properties: ["mergeEqualsUnmerged"], fixed: true, runs: 1 });
  expect(passed).toMatchObject([{ property: "mergeEqualsUnmerged", cases: 1 }]);
  expect(passed[0].unfit?.[0]).toMatch(/^BitFit trains biases, and this model has none/);
});

test("reasons of cases that do not fit are in the result, and faults of JavaScript fail", async () => {
  const throwing = (peftType: string, error: Error) =>
    faultyLora(peftType, (layer, { path }) => {
      if (path.endsWith("k_proj")) throw error;
      return layer;
    });
  throwing("NO_KEYS", new Error("keys have no adapter"));
  const some = { properties: ["savesAndLoads"], fixed: true, runs: 5 } as const;
  const { passed } = await checkMethod("NO_KEYS", some);
  expect(passed).toEqual([{ property: "savesAndLoads", cases: 2, unfit: ["keys have no adapter"] }]);
  throwing("BROKEN", new TypeError("x is undefined"));
  await expect(checkMethod("BROKEN", some)).rejects.toThrow("it threw TypeError: x is undefined");
});

test("a model on which nothing can be tested fails", async () => {
  const model = () => new Net();
  const inputs = [randn([3, 6], { generator: new Generator(3) })];
  const misnamed = new LoraConfig({ r: 2, targetModules: ["frist"] });
  await expect(checkMethod(misnamed, { model, inputs, runs: 1 })).rejects.toMatchObject({
    code: "no_case",
    message: expect.stringContaining("no property could be tested: "),
  });
  await expect(checkMethod("LORA", { properties: [] })).rejects.toThrow(
    "properties is empty; choose mergeEqualsUnmerged,",
  );
});

test.each([
  new LoHaConfig({ r: 2, targetModules: ["q_proj"], modulesToSave: ["embed_tokens"] }),
  new LoraConfig({ r: 2, targetModules: ["q_proj"], modulesToSave: ["embed_tokens"] }),
])("alpha of an adapter with modules that are saved whole", async (config) => {
  const { passed } = await checkMethod(config, { properties: ["configIsApplied"], model: smallestModel, runs: 1 });
  expect(passed).toHaveLength(1);
});

test("wrong values, inputs and exemptions are refused", async () => {
  const model = smallestModel;
  const check = (options: object) => mergeEqualsUnmerged(model, new LoraConfig({ r: 2 }), options as never);
  await expect(check({ values: { kind: "huge", seed: 1 } })).rejects.toThrow(
    "setAdapterValues: kind is huge; choose normal, large, tiny, half",
  );
  await expect(check({ values: { kind: "normal" } })).rejects.toThrow(
    "seed is undefined; give an integer of at least 0",
  );
  await expect(check({ inputs: { batch: 0 } })).rejects.toThrow("inputs.batch is 0; give an integer of at least 1");
  await expect(checkMethod("LORA", { exempt: { mergeEquals: "x" } as never })).rejects.toThrow(
    "exempt contains mergeEquals; choose mergeEqualsUnmerged,",
  );
  expect(() => exemptionOf("mergeEqualsUnmerged", "LORA" as never, new LoraConfig({ r: 2 }))).toThrow(
    "exemptionOf: method is LORA; give a method of knownMethods()",
  );
});

class Net extends Module {
  first: UnaryModule = new Linear(6, 5, { generator: new Generator(1) });
  second: UnaryModule = new Linear(5, 3, { generator: new Generator(2) });

  forward(x: Tensor): Tensor {
    return this.second.forward(tanh(this.first.forward(x)));
  }
}

describe("a module of one's own", () => {
  const inputs = () => [randn([3, 6], { generator: new Generator(3) })];

  test.each([
    ["LoRA", new LoraConfig({ r: 2, targetModules: "all-linear" })],
    ["(IA)³", new IA3Config({ targetModules: ["first", "second"], feedforwardModules: ["second"] })],
  ])("is checked with %s", async (_, config) => {
    const { passed, skipped } = await checkMethod(config, { model: () => new Net(), inputs: inputs(), runs: 2 });
    const isIA3 = config instanceof IA3Config;
    expect(skipped.map(({ property }) => property)).toEqual([
      "requantizedMergeWithinBound",
      ...(isIA3 ? ["configIsApplied"] : []),
    ]);
    expect(passed.map(({ cases }) => cases)).toEqual(passed.map(() => 2));
  });

  test("can be an instance, which is as before", async () => {
    const net = new Net();
    const x = inputs();
    const before = await net.forward(x[0] as Tensor).data();
    const config = new LoraConfig({ r: 2, targetModules: "all-linear" });
    await checkMethod(config, { model: net, inputs: x, runs: 1 });
    const { buffers } = memory();
    await checkMethod(config, { model: net, inputs: x, runs: 1 });
    expect(memory().buffers).toBe(buffers);
    expect(await net.forward(x[0] as Tensor).data()).toEqual(before);
    expect(net.training).toBe(true);
  });

  test("needs inputs", async () => {
    const checked = checkMethod(new LoraConfig({ targetModules: "all-linear" }), {
      model: () => new Net(),
      fixed: true,
    });
    await expect(checked).rejects.toThrow(/inputs are missing: Net is no language model/);
  });
});

test("a method without a merge is skipped with the reason, and a declared exemption is used", async () => {
  class FactorConfig extends PeftConfig {
    constructor(options: object = {}) {
      super("FACTOR", options);
    }
  }
  class Factor implements LayerAdapter {
    readonly parameters: { readonly factor: Parameter } = { factor: new Parameter(tensor([2])) };
    forward(x: Tensor, base: UnaryModule): Tensor {
      return mul(base.forward(x), this.parameters.factor);
    }
  }
  registerPeftMethod(
    definePeftMethod({
      ...{ peftType: "FACTOR", Config: FactorConfig, kinds: ["linear"], options: [targetsOption] },
      format: { classic: ["target_modules"], floats: [], refused: {}, ignored: {} },
      defaultTargets: {},
      createLayer: () => new Factor(),
    }),
  );
  await expect(checkMethod("FACTOR", { runs: 1 })).rejects.toThrow(/^startsAsIdentity: with a new adapter/);
  const { skipped } = await checkMethod("FACTOR", { runs: 1, exempt: { startsAsIdentity: "starts at 2" } });
  expect(skipped.map(({ property }) => property)).toEqual([
    ...["mergeEqualsUnmerged", "unmergeRestoresBase", "startsAsIdentity"],
    ...["weightedSumIsLinear", "requantizedMergeWithinBound", "configIsApplied"],
  ]);
  expect(skipped[0].reason).toMatch(/^the method has no merge for /);
  expect(skipped[2].reason).toBe("starts at 2");
});

test.each([
  [() => checkMethod("LORAS"), /method "LORAS" is not registered; choose LORA, ADALORA/],
  [() => checkMethod("LORA", { runs: 0 }), /runs is 0; give an integer of at least 1/],
  [() => checkMethod("LORA", { properties: ["merge" as never] }), /contains merge; choose mergeEqualsUnmerged/],
])("%#: bad options are refused", async (call, message) => {
  const error = await call().catch((e) => e);
  expect(error).toBeInstanceOf(OptionError);
  expect(error.message).toMatch(message);
});

import { describe, expect, test } from "vitest";
import { PeftConfig, type PeftOptions } from "../config/peftConfig.ts";
import { PromptLearningConfig, type PromptLearningOptions } from "../config/promptLearningConfig.ts";
import { ownMethods } from "../testing/ownMethods.ts";
import { lora } from "./lora/lora.ts";
import { optionsOf, recipesOf } from "./offered.ts";
import { pTuning } from "./prompt/pTuning.ts";
import { type AnyMethod, definePeftMethod, definePromptMethod } from "./shared/method.ts";

const settings = { r: 4, targetModules: ["up"], virtualTokens: 3, steps: 100 };
const methods: AnyMethod[] = Object.values(await ownMethods());

test("recipes have names and titles of their own", () => {
  const recipes = methods.flatMap((method) => recipesOf(method));
  for (const key of ["name", "title"] as const) {
    expect(new Set(recipes.map((recipe) => recipe[key])).size).toBe(recipes.length);
  }
  expect(recipes.filter(({ common }) => common).map(({ name }) => name)).toEqual([
    ...["lora", "qlora", "dora", "prefix", "houlsby", "ia3"],
  ]);
});

test("recipes set the rank, an alpha of twice the rank except for rsLoRA, and the plan of steps", () => {
  const [r, targetModules] = [6, ["up"]];
  const expected: Readonly<Record<string, object>> = {
    ...{ lora: { r, loraAlpha: 12 }, qlora: { r, loraAlpha: 12 }, dora: { r, loraAlpha: 12, useDora: true } },
    rslora: { r, loraAlpha: 16, useRslora: true },
    // From docs/methods.md: 1.5 times the ranks at the start, cuts from a tenth to half of the steps.
    adalora: { targetR: 6, initR: 9, loraAlpha: 12, totalStep: 250, tinit: 25, tfinal: 125, deltaT: 2 },
    ...{ vera: {}, pvera: {}, loha: { r, alpha: 12 }, lokr: { r, alpha: 12 }, hira: { r }, gralora: { r, alpha: 12 } },
    ...{ delora: { r }, miss: { r }, randlora: { r }, oft: {}, boft: {}, hra: {}, vblora: {}, adamss: { r } },
    ...{ fourierft: { initWeights: true }, c3a: { blockSize: 32 }, road: { groupSize: 8 }, frod: {}, poly: { r } },
    ...{
      osf: {},
      lily: { r },
      glora: { r },
      shira: { r },
      waveft: {},
      deft: { r },
      peanut: { r },
      supertuning: {},
      tinylora: {},
      psoft: { r, psoftAlpha: r },
      unilora: { r },
    },
  };
  for (const method of methods) {
    const Config = method.Config as new (options: object) => PeftConfig;
    for (const { name, config } of recipesOf(method)) {
      if (!expected[name]) continue;
      const made = config({ r, targetModules, virtualTokens: 3, steps: 250 });
      expect(made, name).toEqual(new Config({ targetModules, ...expected[name] }));
    }
  }
  const adalora = methods.flatMap((method) => recipesOf(method)).find(({ name }) => name === "adalora")!;
  const planned = adalora.config({ r: 3, targetModules, virtualTokens: 3, steps: 39 });
  expect(planned).toMatchObject({ initR: 5, tinit: 3, tfinal: 19, deltaT: 1 });
  const long = adalora.config({ r: 3, targetModules, virtualTokens: 3, steps: 900 });
  expect(long).toMatchObject({ tinit: 90, tfinal: 450, deltaT: 9 });
});

test("facts that recipes and options state", () => {
  const recipes = methods.flatMap((method) => recipesOf(method));
  const named = (test: (recipe: (typeof recipes)[number]) => unknown) => recipes.filter(test).map(({ name }) => name);
  expect(named(({ quantized }) => quantized)).toEqual(["qlora"]);
  const usual = Object.fromEntries(
    recipes.flatMap(({ name, usualLearningRate: rate }) => (rate ? [[name, rate]] : [])),
  );
  expect(usual).toMatchObject({
    lora: 2e-4,
    qlora: 2e-4,
    dora: 2e-4,
    rslora: 2e-4,
    shira: 3e-4,
    waveft: 1e-4,
    glora: 1e-4,
    lily: 1e-4,
    osf: 5e-5,
  });
  const fields = (test: (option: ReturnType<typeof optionsOf>[number]) => boolean) =>
    methods.flatMap((method) =>
      optionsOf(method).flatMap((option) => (test(option) ? [`${method.peftType} ${option.field}`] : [])),
    );
  expect(fields((option) => "orBoolean" in option && option.orBoolean === true)).toEqual([
    ...["LORA initLoraWeights", "ADALORA initLoraWeights"],
  ]);
  expect(optionsOf(methods.find(({ peftType }) => peftType === "LORA")!)).toContainEqual(
    expect.objectContaining({ field: "useRslora", implies: { loraAlpha: 16 } }),
  );
  const types = (test: (method: AnyMethod) => unknown) => methods.filter(test).map(({ peftType }) => peftType);
  expect(types(({ taskless }) => taskless)).toEqual(["BOTTLENECK"]);
  expect(types(({ loraPlus }) => loraPlus)).toEqual(["LORA"]);
  expect(types((method) => "mergesAlone" in method && method.mergesAlone)).toEqual(["BITFIT", "LN_TUNING"]);
  for (const option of methods.flatMap(optionsOf)) {
    const values: readonly unknown[] = "values" in option ? (option.values ?? []) : [];
    const booleans = values.filter((value) => typeof value === "boolean");
    if (booleans.length > 0) expect(booleans, option.field).toEqual([true, false]);
  }
  expect(types(({ trainsHeads }) => trainsHeads === false)).toEqual(["XLORA", "TRAINABLE_TOKENS", "ADAPTION_PROMPT"]);
  expect(types(({ followsBaseDtype }) => followsBaseDtype)).toEqual(["ADAPTION_PROMPT"]);
  expect(types(({ countedConstants }) => countedConstants?.("f32"))).toEqual([]);
  expect(types(({ countedConstants }) => countedConstants?.("bf16") === 1)).toEqual(["ADALORA"]);
  // PEFT sets fan_in_fan_out for these methods to match the storage of the weights.
  expect(types(({ setsFanInFanOut }) => setsFanInFanOut).sort()).toEqual([
    ...[
      "ADALORA",
      "BOFT",
      "DEFT",
      "FOURIERFT",
      "FROD",
      "GRALORA",
      "IA3",
      "LORA",
      "OFT",
      "PSOFT",
      "PVERA",
      "RANDLORA",
      "SHIRA",
      "TINYLORA",
      "UNILORA",
      "VBLORA",
      "VERA",
      "WAVEFT",
    ],
  ]);
});

describe.each(methods.map((method) => [method.peftType, method] as const))("%s", (_, method) => {
  test("says its recipes, whose settings reach the configuration", () => {
    expect(method.recipes ?? method.offer).toBeDefined();
    for (const { config } of recipesOf(method)) {
      const made = config(settings);
      expect(made).toBeInstanceOf(PeftConfig);
      expect(made.peftType).toBe(method.peftType);
      for (const key of ["r", "targetR"]) {
        const reads = Object.hasOwn(made, key) && optionsOf(method).some(({ field }) => field === key);
        // In some methods the rank has another meaning, and recipes keep PEFT's default.
        if (reads && !["VERA", "PVERA", "HRA", "OFT", "VBLORA", "SUPERTUNING", "TINYLORA"].includes(made.peftType))
          expect(made).toHaveProperty(key, 4);
      }
      if ("numVirtualTokens" in made) expect(made.numVirtualTokens).toBe(3);
    }
  });

  test("says options that are fields, each with a value that the configuration takes", () => {
    expect(method.options ?? method.offer).toBeDefined();
    // X-LoRA lacks recipes and options, since it needs the files of its experts.
    if (method.peftType === "XLORA") return expect([...optionsOf(method), ...recipesOf(method)]).toEqual([]);
    const config = recipesOf(method)[0].config(settings);
    for (const option of optionsOf(method)) {
      expect(Object.keys(config)).toContain(option.field);
      const values = option.type === "oneOf" ? option.values : option.type === "boolean" ? [true] : [];
      expect(new Set(values).size, option.field).toBe(values.length);
      // The value "TEXT" also requires the text.
      for (const value of values.filter((word) => word !== "TEXT")) {
        expect(config.with({ [option.field]: value })).toHaveProperty(option.field, value);
      }
    }
  });
});

test("methods that share a flag share its type", () => {
  const types = new Map<string, string>();
  for (const { flag, type } of methods.flatMap((method) => optionsOf(method))) {
    expect(types.get(flag) ?? type, flag).toBe(type);
    types.set(flag, type);
  }
});

class PlainConfig extends PeftConfig {
  constructor(options: PeftOptions = {}) {
    super("test/Plain_1", options);
  }
}

const plain = definePeftMethod({
  peftType: "test/Plain_1",
  Config: PlainConfig,
  format: { classic: [], floats: [], refused: {}, ignored: {} },
  kinds: ["linear"],
  defaultTargets: {},
  createLayer: () => ({ parameters: {}, forward: (x, base) => base.forward(x) }),
});

class PlainPromptConfig extends PromptLearningConfig {
  constructor(options: PromptLearningOptions) {
    super("test/PROMPT", options);
  }
}

test("a method that says neither has a recipe of its defaults and the options of its kind", () => {
  const [recipe, ...others] = recipesOf(plain);
  expect(others).toEqual([]);
  expect(recipe).toMatchObject({ name: "test-plain-1", title: "test/Plain_1", learningRate: 1e-3 });
  // A method without default targets for a model requires explicit ones.
  expect(recipe.config(settings)).toEqual(new PlainConfig({ targetModules: ["up"] }));
  const [targeted] = recipesOf({ ...plain, defaultTargets: { llama: ["q_proj"] } });
  expect(targeted.config(settings)).toEqual(new PlainConfig());
  expect(optionsOf(plain).map(({ flag }) => flag)).toEqual(["target-modules", "modules-to-save"]);
  const prompt = definePromptMethod({
    ...{ peftType: "test/PROMPT", Config: PlainPromptConfig, format: plain.format, kind: "embeddings" },
    ...{ width: ({ tokenDim }) => tokenDim, trainsRows: () => true, createEncoder: pTuning.createEncoder as never },
  });
  expect(recipesOf(prompt)[0].config(settings)).toEqual(new PlainPromptConfig({ numVirtualTokens: 3 }));
  expect(optionsOf(prompt).map(({ flag }) => flag)).toEqual(["virtual-tokens", "modules-to-save"]);
});

test("a copy of LoRA's object has LoRA's recipes and options, unless it has its own", () => {
  const copy: AnyMethod = { ...lora, peftType: "COPY_OF_LORA" };
  expect(recipesOf(copy)).toEqual(recipesOf(lora));
  expect(optionsOf(copy).map(({ flag }) => flag)).toContain("alpha");
  expect(recipesOf({ ...copy, recipes: [] })).toEqual([]);
  expect(optionsOf({ ...copy, options: [] })).toEqual([]);
});

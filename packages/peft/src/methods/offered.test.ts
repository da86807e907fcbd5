import { describe, expect, test } from "vitest";
import { PeftConfig, type PeftOptions } from "../config/peftConfig.ts";
import { PromptLearningConfig, type PromptLearningOptions } from "../config/promptLearningConfig.ts";
import { ownMethods } from "../testing/ownMethods.ts";
import { type AnyMethod, definePeftMethod, definePromptMethod } from "./method.ts";
import { optionsOf, recipesOf } from "./offered.ts";
import { pTuning } from "./pTuning.ts";

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

describe.each(methods.map((method) => [method.peftType, method] as const))("%s", (_, method) => {
  test("says its recipes, whose settings reach the configuration", () => {
    expect(method.recipes).toBeDefined();
    for (const { config } of recipesOf(method)) {
      const made = config(settings);
      expect(made).toBeInstanceOf(PeftConfig);
      expect(made.peftType).toBe(method.peftType);
      for (const key of ["r", "targetR"]) {
        const reads = Object.hasOwn(made, key) && optionsOf(method).some(({ field }) => field === key);
        // A few ranks mean something else, and recipes leave them as PEFT has them.
        if (reads && !["VERA", "HRA", "OFT", "VBLORA"].includes(made.peftType)) expect(made).toHaveProperty(key, 4);
      }
      if ("numVirtualTokens" in made) expect(made.numVirtualTokens).toBe(3);
    }
  });

  test("says options that are fields, each with a value that the configuration takes", () => {
    expect(method.options).toBeDefined();
    const config = recipesOf(method)[0].config(settings);
    for (const option of optionsOf(method)) {
      expect(Object.keys(config)).toContain(option.field);
      const values = option.type === "oneOf" ? option.values : option.type === "boolean" ? [true] : [];
      // A text to start from needs the text, too.
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
  // Without defaults for a model it needs targets.
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

import { describe, expect, test } from "vitest";
import { ownMethods } from "../testing/ownMethods.ts";
import { optionsOf, recipesOf } from "./offered.ts";
import type { MethodOption } from "./shared/recipe.ts";

const settings = { r: 4, targetModules: ["up"], virtualTokens: 3, steps: 100 };
const methods = Object.values(await ownMethods());

test("learning rates of the recipes", () => {
  const rates = methods.flatMap((method) => recipesOf(method).map(({ name, learningRate }) => [name, learningRate]));
  expect(Object.fromEntries(rates)).toEqual({
    ...{ lora: 3e-3, qlora: 3e-3, dora: 3e-3, rslora: 3e-3, adalora: 1e-2, vera: 3e-2, loha: 1e-2, lokr: 1e-2 },
    ...{ hira: 1e-2, gralora: 3e-3, delora: 3e-3, miss: 3e-3, randlora: 3e-3, oft: 3e-3, boft: 1e-2, hra: 1e-2 },
    ...{ fourierft: 3e-2, vblora: 1e-2, bitfit: 1e-2, ln: 3e-2, prefix: 0.1, houlsby: 1e-2, pfeiffer: 1e-2 },
    ...{ osf: 1e-3, frod: 3e-3, adamss: 3e-3, lily: 3e-3, glora: 3e-3, waveft: 1e-3, shira: 3e-3, poly: 3e-3 },
    shadow: 1e-3,
    ...{ pvera: 3e-2, deft: 3e-3, peanut: 3e-3, supertuning: 3e-3, unilora: 3e-2, tinylora: 1e-2 },
    psoft: 1e-2,
    ...{ road: 1e-2, c3a: 0.1, beft: 1e-2, "trainable-tokens": 3e-2 },
    ...{
      parallel: 3e-3,
      ia3: 0.1,
      prompt: 0.3,
      "p-tuning": 1e-2,
      "multitask-prompt": 0.3,
      cartridge: 0.1,
      cpt: 1e-3,
      "adaption-prompt": 0.1,
    },
  });
});

/** Fields that are limited by other fields. Other values of the same configuration would have to change too. */
const dependent = [
  ...["GRALORA r", "OFT r", "OFT oftBlockSize", "BOFT boftBlockSize", "VBLORA numVectors"],
  "PSOFT numCayleyNeumannTerms",
  ...["asaTargetSubspaces", "initWarmup", "finalWarmup", "maskInterval"].map((field) => `ADAMSS ${field}`),
];

describe.each(
  methods.filter((method) => recipesOf(method).length > 0).map((method) => [method.peftType, method] as const),
)("%s", (type, method) => {
  const config = recipesOf(method)[0].config(settings);
  const has = (option: MethodOption, key: "least" | "most" | "above") => key in option;
  const options = optionsOf(method).filter(({ field }) => !dependent.includes(`${type} ${field}`));

  test("integers begin with the least value of their option", () => {
    for (const option of options) {
      if (option.type !== "integer" || option.least === undefined) continue;
      const { field, least } = option;
      expect(config.with({ [field]: least })).toHaveProperty(field, least);
      expect(() => config.with({ [field]: least - 1 }), field).toThrow(field);
    }
  });

  test("probabilities are from 0 to 1, and scales are above 0", () => {
    for (const option of options) {
      if (option.type !== "number") continue;
      if (has(option, "most")) expect([option.least, option.most], option.field).toEqual([0, 1]);
      if (has(option, "above")) expect(option.above, option.field).toBe(0);
    }
  });
});

test("the least values of options that depend on others", () => {
  const least = methods.flatMap((method) =>
    optionsOf(method).flatMap((option) => {
      const name = `${method.peftType} ${option.field}`;
      return dependent.includes(name) && option.type === "integer" ? [[name, option.least]] : [];
    }),
  );
  expect(Object.fromEntries(least)).toEqual({
    "GRALORA r": 1,
    "OFT r": 1,
    "OFT oftBlockSize": 0,
    "BOFT boftBlockSize": 0,
    "VBLORA numVectors": 1,
    "ADAMSS asaTargetSubspaces": 1,
    "ADAMSS initWarmup": 0,
    "ADAMSS finalWarmup": 1,
    "ADAMSS maskInterval": 1,
    "PSOFT numCayleyNeumannTerms": 1,
  });
});

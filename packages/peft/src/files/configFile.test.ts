import { toCamelCase } from "@lowrank/core/internal";
import { expect, test } from "vitest";
import { toSnakeCase } from "../config/checks.ts";
import type { PeftConfig } from "../config/peftConfig.ts";
import { pythonJson } from "../config/pythonJson.ts";
import type { Warning } from "../config/warning.ts";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { ownMethods } from "../testing/ownMethods.ts";
import { configJson, parseConfig } from "./configFile.ts";

const peftMethods = await ownMethods();

const read = (json: unknown) => {
  const warnings: Warning[] = [];
  const { config } = parseConfig(json, peftMethods, "adapter_config.json", (warning) => warnings.push(warning));
  return { config, warnings };
};

test("the layout is that of Python's json.dumps", () => {
  const value = { b: [1, "é\u007f"], a: {}, c: [], d: { z: null, y: true } };
  expect(pythonJson(value)).toBe(
    '{\n  "a": {},\n  "b": [\n    1,\n    "\\u00e9\\u007f"\n  ],\n  "c": [],\n  "d": {\n    "y": true,\n    "z": null\n  }\n}',
  );
});

test("classic fields are always written, others where they differ from the default", () => {
  const json = configJson(
    peftMethods.LORA,
    new LoraConfig({ targetModules: ["q_proj"], loraDropout: 0.05, useRslora: true }),
  );
  expect(JSON.parse(json)).toEqual({
    alpha_pattern: {},
    auto_mapping: null,
    base_model_name_or_path: null,
    bias: "none",
    fan_in_fan_out: false,
    inference_mode: true,
    init_lora_weights: true,
    layers_pattern: null,
    layers_to_transform: null,
    lora_alpha: 8,
    lora_dropout: 0.05,
    modules_to_save: null,
    peft_type: "LORA",
    r: 8,
    rank_pattern: {},
    revision: null,
    target_modules: ["q_proj"],
    task_type: null,
    use_rslora: true,
  });
  expect(configJson(peftMethods.LORA, new LoraConfig())).toContain('"lora_dropout": 0.0,');
});

test("parameters are names in files of LoRA, and refused in files of AdaLoRA", () => {
  // PEFT writes an empty list if a model's experts are one parameter.
  expect(read({ peft_type: "LORA", target_parameters: [] }).warnings).toEqual([]);
  expect(read({ peft_type: "LORA", target_parameters: ["experts.down_proj"] }).config).toMatchObject({
    targetParameters: ["experts.down_proj"],
  });
  expect(() => read({ peft_type: "ADALORA", target_parameters: ["experts.down_proj"] })).toThrow(
    'target_parameters is ["experts.down_proj"], which ADALORA here does not support',
  );
});

test.each<[string, object, string]>([
  ["IA3", { feedforward_modules: 1e300 }, "feedforwardModules is 1e+300; it must be null, a list of names or a text"],
  ["ADALORA", { rank_pattern: { "a.lora_E": 7 } }, 'rankPattern is {"a.lora_E":7}; it must be null, or lists of true'],
  ["ADALORA", { rank_pattern: [true] }, "rankPattern is [true]; it must be"],
])("%s: a value of the wrong kind is named", (peft_type, fields, message) => {
  expect(() => read({ peft_type, target_modules: ["a"], ...fields })).toThrow(`adapter_config.json: `);
  expect(() => read({ peft_type, target_modules: ["a"], ...fields })).toThrow(message);
});

test.each<LoraOptions>([
  { r: 4, loraAlpha: 32, targetModules: "all-linear", taskType: "CAUSAL_LM" },
  { rankPattern: { "h.1.mlp": 2 }, alphaPattern: { q_proj: 3 }, trainableTokenIndices: { embed_tokens: [1, 2] } },
  { useDora: true, initLoraWeights: "pissa_niter_4" },
  { initLoraWeights: "eva", evaConfig: { rho: 1.5, adjustScalingFactors: false } },
  { initLoraWeights: "corda", cordaConfig: { cordaMethod: "kpm", useFloat16ForCovariance: true, cacheFile: "a" } },
  { initLoraWeights: "lora_ga", loraGaConfig: { direction: "ArBr", stableGamma: 4 } },
  { layersToTransform: [0, 2], layersPattern: "layers", excludeModules: ["k_proj"], modulesToSave: ["lm_head"] },
])("%o comes back from its file", (options) => {
  const config = new LoraConfig(options);
  expect(read(JSON.parse(configJson(peftMethods.LORA, config)))).toEqual({ config, warnings: [] });
});

test("fields that are not known are named in a warning, and left out", () => {
  const { warnings } = read({ peft_type: "LORA", target_modules: ["q"], from_the_future: 1, qalora_group_size: 8 });
  const message = "adapter_config.json: these fields are not used: from_the_future, qalora_group_size";
  expect(warnings).toEqual([{ code: "unused-field", message }]);
});

test("PEFT's defaults of what is not supported pass; other values are an error that names the field", () => {
  expect(
    read({ peft_type: "LORA", use_qalora: false, layer_replication: null, megatron_core: "megatron.core" }).warnings,
  ).toEqual([]);
  expect(() => read({ peft_type: "LORA", use_qalora: true })).toThrow(
    /use_qalora is true, which LORA here does not support/,
  );
  expect(() => read({ peft_type: "XYZ" })).toThrow('peft_type is "XYZ"; supported are LORA');
});

test.each([
  [{ r: 0 }, "LoraConfig: r is 0; it must be an integer of at least 1"],
  [{ loraDropout: 1 }, "loraDropout is 1"],
  [{ bias: "some" }, 'bias is "some"'],
  [{ rankPattern: { q: 1.5 } }, 'rankPattern["q"] is 1.5'],
  [{ targetModules: ".*", layersToTransform: [1] }, "targetModules"],
  [{ layersPattern: "h" }, "layersToTransform is null"],
  [{ useQalora: true }, "useQalora is true, which is not supported"],
  [{ useDora: true, loraBias: true }, "loraBias is true; it must be false with useDora"],
  [{ initLoraWeights: "pisa" }, 'initLoraWeights is "pisa"; it must be true, false'],
  [{ initLoraWeights: "orthogonal", r: 3 }, "r is 3; it must be even"],
  [{ rank: 8 }, "there is no option rank"],
])("%o is refused", (options, message) => {
  expect(() => new LoraConfig(options as LoraOptions)).toThrow(message);
});

test("a field counts where it is spelled as PEFT spells it", () => {
  const { config, warnings } = read({ peft_type: "LORA", loraAlpha: 99 });
  expect((config as LoraConfig).loraAlpha).toBe(8);
  const message = "adapter_config.json: these fields are not used: loraAlpha";
  expect(warnings).toEqual([{ code: "unused-field", message }]);
});

test("an empty layers_pattern is none", () => {
  for (const layersPattern of ["", []]) expect(new LoraConfig({ layersPattern }).layersPattern).toBeNull();
});

test.each([
  [{ taskType: "FOO" }, 'taskType is "FOO"; it must be null or one of SEQ_CLS'],
  [{ modulesToSave: "score" }, 'modulesToSave is "score"; it must be null or a list of names'],
  [{ targetModules: [1] }, "targetModules is [1]; it must be null, a list of names or a text"],
  [{ excludeModules: 5 }, "excludeModules is 5"],
  [{ layersToTransform: "1", targetModules: ["q"] }, 'layersToTransform is "1"; it must be null, a number of a layer'],
  [{ layersPattern: 1, layersToTransform: 0, targetModules: ["q"] }, "layersPattern is 1; it must be"],
  [{ trainableTokenIndices: [1.5] }, "trainableTokenIndices is [1.5]; it must be null, a list of tokens"],
  [{ trainableTokenIndices: { embed_tokens: 3 } }, "trainableTokenIndices is"],
  [{ fanInFanOut: "yes" }, 'fanInFanOut is "yes"; it must be true or false'],
  [{ rankPattern: 7 }, "rankPattern is 7; it must be an object of values by names"],
  [{ loraDropout: "0.1" }, 'loraDropout is "0.1"'],
  [{ baseModelNameOrPath: 3 }, "baseModelNameOrPath is 3; it must be null or a text"],
])("%o is of the wrong kind", (options, message) => {
  expect(() => new LoraConfig(options as LoraOptions)).toThrow(message);
});

const needed = { numVirtualTokens: 2, adapterLen: 2, adapterLayers: 1 };

test.each(Object.entries(peftMethods))("%s takes no word for an option that is true or false", (_, { Config }) => {
  const Any = Config as unknown as new (options: object) => PeftConfig;
  for (const [key, value] of Object.entries(new Any({}))) {
    const given = Object.fromEntries(Object.entries(needed).filter(([name]) => Object.hasOwn(new Any({}), name)));
    if (typeof value === "boolean") expect(() => new Any({ ...given, [key]: "yes" }), key).toThrow(`${key} is "yes"`);
  }
});

test.each([
  "r",
  "lora_alpha",
  "use_rslora",
  "base_model_name_or_path",
  "init_ia3_weights",
  "apply_GS",
  "boft_n_butterfly_factor",
])("%s, there and back", (key) => {
  expect(toSnakeCase(toCamelCase(key))).toBe(key);
});

const written = (type: keyof typeof peftMethods, options: object) => {
  const Config = peftMethods[type].Config as unknown as new (options: object) => PeftConfig;
  return Object.keys(JSON.parse(configJson(peftMethods[type], new Config({ ...options }))));
};

// Checked with PEFT 0.6, 0.10 and 0.13, which reject a file with an unknown field.
test("files hold what is newer than a method where it is set, and PEFT's version where PEFT asks for it", () => {
  const types = Object.keys(peftMethods) as (keyof typeof peftMethods)[];
  expect(types.filter((type) => written(type, {}).includes("peft_version"))).toEqual(["OFT"]);
  expect(written("LOKR", {})).not.toContain("rank_dropout_scale");
  expect(written("LOKR", { rankDropoutScale: true })).toContain("rank_dropout_scale");
  for (const type of ["PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING"] as const) {
    const keys = written(type, { numVirtualTokens: 2 });
    for (const newer of ["modules_to_save", "init_weights"]) expect(keys).not.toContain(newer);
  }
});

test.each([[null], [[]], ["LORA"], [5]])("a file of %j is not a configuration", (json) => {
  expect(() => read(json)).toThrow(new Error("adapter_config.json is not a JSON object"));
});

test("only fields that are floats in Python are written as floats", () => {
  const text = configJson(peftMethods.LORA, new LoraConfig({ r: 4, loraAlpha: 16, loraDropout: 0 }));
  expect(text).toContain('"r": 4,');
  expect(text).toContain('"lora_dropout": 0.0,');
});

test("the keys of nested configurations are spelled as in Python", () => {
  const evaConfig = { rho: 1.5, adjustScalingFactors: false };
  const json = JSON.parse(configJson(peftMethods.LORA, new LoraConfig({ initLoraWeights: "eva", evaConfig })));
  expect(json.eva_config).toMatchObject({ rho: 1.5, adjust_scaling_factors: false });
  expect(read({ peft_type: "LORA", eva_config: null, init_lora_weights: true }).warnings).toEqual([]);
  expect(() => read({ peft_type: "LORA", init_lora_weights: "eva", eva_config: "x" })).toThrow("evaConfig");
});

import { expect, test } from "vitest";
import { peftMethods } from "../methods/index.ts";
import { LoraConfig, type LoraOptions } from "../methods/loraConfig.ts";
import { configJson, parseConfig } from "./configFile.ts";
import { toCamelCase, toSnakeCase } from "./keyCase.ts";
import { pythonJson } from "./pythonJson.ts";

const read = (json: unknown) => {
  const warnings: string[] = [];
  const { config } = parseConfig(json, peftMethods, "adapter_config.json", (message) => warnings.push(message));
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
    peft_version: "0.21.2",
    r: 8,
    rank_pattern: {},
    revision: null,
    target_modules: ["q_proj"],
    task_type: null,
    use_rslora: true,
  });
  expect(configJson(peftMethods.LORA, new LoraConfig())).toContain('"lora_dropout": 0.0,');
});

test.each<LoraOptions>([
  { r: 4, loraAlpha: 32, targetModules: "all-linear", taskType: "CAUSAL_LM" },
  { rankPattern: { "h.1.mlp": 2 }, alphaPattern: { q_proj: 3 }, trainableTokenIndices: { embed_tokens: [1, 2] } },
  { useDora: true, initLoraWeights: "pissa_niter_4" },
  { initLoraWeights: "eva", evaConfig: { rho: 1.5, adjustScalingFactors: false } },
  { layersToTransform: [0, 2], layersPattern: "layers", excludeModules: ["k_proj"], modulesToSave: ["lm_head"] },
])("%o comes back from its file", (options) => {
  const config = new LoraConfig(options);
  expect(read(JSON.parse(configJson(peftMethods.LORA, config)))).toEqual({ config, warnings: [] });
});

test("fields that are not known are named in a warning, and left out", () => {
  const { warnings } = read({ peft_type: "LORA", target_modules: ["q"], from_the_future: 1, corda_config: { x: 2 } });
  expect(warnings).toEqual(["adapter_config.json: these fields are not used: from_the_future, corda_config"]);
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
  [{ initLoraWeights: "corda" }, 'initLoraWeights "corda" is not supported: it needs covariances'],
  [{ initLoraWeights: "pisa" }, 'initLoraWeights is "pisa"; it must be true, false'],
  [{ initLoraWeights: "orthogonal", r: 3 }, "r is 3; it must be even"],
  [{ rank: 8 }, "there is no option rank"],
])("%o is refused", (options, message) => {
  expect(() => new LoraConfig(options as LoraOptions)).toThrow(message);
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

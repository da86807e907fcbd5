import { describe, expect, test } from "vitest";
import { parseModelConfig, parseStackConfig, toHfConfig } from "../registry/configs/modelConfig.ts";
import { architectures, findArchitecture } from "../registry/registry.ts";
import cases from "./pythonConfigs.gen.json" with { type: "json" };

type Fields = Record<string, unknown>;

/** Reads a config with some fields and returns the fields that `toHfConfig` writes. */
function written(given: Fields): Fields {
  const causal = findArchitecture(String(given.model_type))?.heads.causalLM;
  return toHfConfig((causal ? parseModelConfig : parseStackConfig)(given) as never);
}

/** Returns the fields of transformers 5 with the names of transformers 4 and `toHfConfig`. */
function expected({ rope_parameters: rope, ...found }: Fields, model_type: string): Fields {
  const parts = rope as Fields | undefined;
  const theta = (type: string) => ((parts?.[type] as Fields | undefined) ?? parts)?.rope_theta;
  const heads = Number(found.num_attention_heads);
  const positions = found.max_position_embeddings;
  return {
    ...(parts && { rope_scaling: null, rope_theta: theta("full_attention") }),
    ...(parts?.partial_rotary_factor !== undefined && { partial_rotary_factor: parts.partial_rotary_factor }),
    ...(found.hidden_size !== undefined && { head_dim: Number(found.hidden_size) / heads }),
    ...found,
    ...(found.head_dim === null && { head_dim: Number(found.hidden_size) / heads }),
    ...(model_type === "gemma3_text" && { rope_local_base_freq: theta("sliding_attention") }),
    ...(model_type === "gemma4_text" && { rope_parameters: rope }),
    ...(model_type === "modernbert" && {
      global_rope_theta: theta("full_attention"),
      local_rope_theta: theta("sliding_attention"),
    }),
    ...(model_type === "gpt_neox" && { rotary_pct: parts?.partial_rotary_factor, rotary_emb_base: parts?.rope_theta }),
    // transformers reads these fields from configs but has no class defaults for them.
    ...(model_type === "deberta-v2" && {
      ...{ pos_att_type: [], max_relative_positions: positions, position_buckets: -1, share_att_key: false },
      ...{ norm_rel_ebd: "none", conv_kernel_size: 0, conv_act: "tanh", cls_dropout: null },
    }),
    // In transformers, 0 also means no window.
    ...(model_type === "qwen2_moe" && found.sliding_window === 0 && { sliding_window: null }),
  };
}

/** Fields that transformers 5 does not write. */
const older = ["architectures", "model_type", "position_embedding_type", "torch_dtype", "use_bidirectional_attention"];
/** Fields of Gemma 4 that transformers 5 writes in another format. */
const perLayer = ["global_head_dim", "num_global_key_value_heads", "per_layer_config"];

test("every architecture is compared", () => {
  const compared = new Set(cases.map(({ given }) => given.model_type));
  // Another test file of this process may have registered an architecture.
  const own = architectures().flatMap(({ modelType }) => (modelType.startsWith("acme-") ? [] : [modelType]));
  expect(own.filter((modelType) => !compared.has(modelType))).toEqual([]);
});

test("the config of a model without a head names no class", () => {
  const encoder = architectures().find(({ heads }) => !heads.causalLM) as { modelType: string };
  expect(Object.keys(written({ model_type: encoder.modelType }))).not.toContain("architectures");
  expect(written({ model_type: "llama" }).architectures).toEqual(["LlamaForCausalLM"]);
});

// conformance/python/model_configs.py writes the table with transformers 5.24.
test.each(cases.map(({ given, found }) => [JSON.stringify(given), given, found] as const))(
  "%s is read as transformers reads it",
  (_, given, found) => {
    const own = Object.entries(written(given)).filter(([key]) => ![...older, ...perLayer].includes(key));
    const theirs = expected(found, given.model_type);
    expect(Object.fromEntries(own)).toEqual(Object.fromEntries(own.map(([key]) => [key, theirs[key]])));
  },
);

const fieldsOf = Object.entries(
  Object.fromEntries(
    architectures().map(({ modelType }) => [
      modelType,
      { ...written({ model_type: modelType }), rope_scaling: undefined },
    ]),
  ),
);

/** Fields that depend on other fields. */
const decided = ["pooler_hidden_size", "enable_moe_block", "num_global_key_value_heads", "use_sliding_window"];

/** Returns another valid value of a field; undefined for a list, a string or no value. */
function other(key: string, value: unknown): unknown {
  if (typeof value === "boolean") return !value;
  if (typeof value !== "number") return undefined;
  if (key === "vocab_size") return value - 1;
  if (key === "num_key_value_heads") return value / 2;
  if (key === "partial_rotary_factor" || key === "rotary_pct") return 0.5;
  if (key.endsWith("token_id")) return 7;
  if (["conv_kernel_size", "type_vocab_size", "num_kv_shared_layers"].includes(key)) return 3;
  return Number.isInteger(value) && value > 0 ? 2 * value : 0.25;
}

const factors = ["attention_multiplier", "embedding_multiplier", "residual_multiplier"];
/** Fields for which -1 means none or that may be any number. `num_global_key_value_heads` is not read. */
const negatives = [...factors, "max_relative_positions", "position_buckets", "num_global_key_value_heads"];
/** Fields that may be 0, other than token ids and probabilities. */
const zeroes = [
  ...negatives,
  ...["conv_kernel_size", "hidden_size_per_layer_input", "num_kv_shared_layers", "max_window_layers"],
];
/** Fields for which 1 conflicts with the other defaults. */
const evenOrMore = [
  ...["hidden_size", "pooler_hidden_size", "n_embd", "dim", "head_dim", "global_head_dim"],
  "vocab_size_per_layer_input",
];

describe.each(fieldsOf)("%s", (model_type, fields) => {
  const numbers = Object.entries(fields).flatMap(([key, value]) => (typeof value === "number" ? [key] : []));
  const taken = (value: number) =>
    numbers.filter((key) => {
      try {
        written({ model_type, [key]: value });
        return true;
      } catch {
        return false;
      }
    });

  test("every field is read and written", () => {
    for (const [key, value] of Object.entries(fields)) {
      const changed = other(key, value);
      if (changed === undefined || decided.includes(key)) continue;
      expect(written({ model_type, [key]: changed }), key).toMatchObject({ [key]: changed });
    }
  });

  test("sizes are at least 1, and no value is below its least", () => {
    const own = [...zeroes, ...(model_type === "deberta-v2" ? ["type_vocab_size"] : [])];
    expect(taken(0)).toEqual(numbers.filter((key) => /_id$|drop/.test(key) || own.includes(key)));
    expect(taken(-1)).toEqual(numbers.filter((key) => negatives.includes(key)));
    const ones = numbers.filter((key) => !evenOrMore.includes(key));
    expect(taken(1)).toEqual(expect.arrayContaining(ones.filter((key) => !/drop|heads|experts|^vocab/.test(key))));
  });

  test("a probability is below 1", () => {
    for (const key of numbers.filter((key) => key.includes("drop"))) {
      expect(() => written({ model_type, [key]: 1 })).toThrow(`${key} is 1; expected a probability`);
    }
  });
});

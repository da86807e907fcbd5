import { Generator, OptionError, to } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { architectures, type CausalLM, createModel, parseModelConfig, randomParameters } from "@lowrank/models";
import { Conv1D, Embedding, Linear, Parameter, quantize } from "@lowrank/nn";

/**
 * A small random language model as plain data. It prints as JSON, and `buildModel` makes the same model from it on any
 * machine.
 */
export interface ModelDescription {
  /** Hugging Face's `model_type` of a causal language model, such as "llama". */
  architecture: string;
  /** Number of transformer blocks. */
  layers: number;
  /** Hidden size: a multiple of 4. There are two attention heads of half this size, with one key head. */
  width: number;
  /** Number of tokens. At least 3. */
  vocabulary: number;
  /** The dtype of linear weights and biases. Norms and embeddings are f32. */
  dtype: "f32" | "f16" | "bf16";
  /** Quantises linear layers except the output layer. Null: no quantisation. */
  quantized: "nf4" | "fp4" | null;
  /** Seed of the random weights. */
  seed: number;
}

/**
 * The smallest description, to which drawn descriptions shrink: a Llama with one layer, 4 hidden elements and 5 tokens,
 * in f32. Spread it to change single fields.
 */
export const smallestModel: ModelDescription = {
  ...({ architecture: "llama", layers: 1, width: 4, vocabulary: 5, dtype: "f32", quantized: null, seed: 0 } as const),
};

const descriptionKeys = {
  ...({ architecture: true, layers: true, width: true, vocabulary: true, dtype: true, quantized: true } as const),
  ...({ seed: true } as const),
};

/** Returns the `config.json` of a description, with the names that architectures use for sizes. */
function configOf({ architecture, layers, width, vocabulary }: ModelDescription): Record<string, unknown> {
  return {
    model_type: architecture,
    ...{ vocab_size: vocabulary, hidden_size: width, intermediate_size: 2 * width, num_hidden_layers: layers },
    ...{ num_attention_heads: 2, num_key_value_heads: 1, max_position_embeddings: 32, sliding_window: 4 },
    ...{ n_embd: width, n_layer: layers, n_head: 2, n_positions: 32, head_dim: width / 2 },
    ...{ bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, query_pre_attn_scalar: width / 2 },
    ...{ partial_rotary_factor: 1, rotary_pct: 1 },
    ...{ full_attn_idxs: [0], block_multiple_of: 4 },
    ...{ hidden_size_per_layer_input: 4, vocab_size_per_layer_input: vocabulary, global_head_dim: width },
    ...{ moe_intermediate_size: width, shared_expert_intermediate_size: width, num_experts: 2 },
    ...{ num_local_experts: 2, num_experts_per_tok: 1 },
  };
}

function checkDescription(description: ModelDescription): void {
  checkOptions("buildModel", description, descriptionKeys);
  const { architecture, layers, width, vocabulary } = description;
  const known = architectures().filter(({ heads }) => heads.causalLM);
  if (!known.some(({ modelType }) => modelType === architecture)) {
    const names = known.map(({ modelType }) => modelType).join(", ");
    throw new OptionError("buildModel", "architecture", architecture, `is no causal language model; choose ${names}`);
  }
  const check = (option: string, value: number, isValid: boolean, problem: string) => {
    if (!Number.isInteger(value) || !isValid) throw new OptionError("buildModel", option, value, problem);
  };
  check("layers", layers, layers >= 1, `is ${layers}; give an integer of at least 1`);
  check("width", width, width >= 4 && width % 4 === 0, `is ${width}; give a multiple of 4`);
  check("vocabulary", vocabulary, vocabulary >= 3, `is ${vocabulary}; give an integer of at least 3`);
}

/**
 * Builds the model of a description, in evaluation mode, on the current backend. Weights have a standard deviation of
 * 0.4, so that outputs depend on every layer. Equal descriptions give equal weights. Call `init` first.
 *
 * Throws `OptionError` for an unknown architecture, a `width` that is not a multiple of 4, and other invalid sizes.
 *
 * @example
 * ```ts
 * const model = await buildModel({ ...smallestModel, architecture: "qwen2", quantized: "nf4", seed: 7 });
 * console.log(model.forward({ inputIds: tensor([[1, 2, 3]], { dtype: "i32" }) }).logits.shape);
 * ```
 */
export async function buildModel(description: ModelDescription): Promise<CausalLM> {
  checkDescription(description);
  const { dtype, quantized, seed } = description;
  const draw = randomParameters(new Generator(seed));
  // Biases are random too, so that a fault in a bias changes outputs.
  const model = createModel(parseModelConfig(configOf(description)), (name, shape, start) =>
    draw(name, shape, "std" in start ? { std: 0.4 } : start.value === 0 ? { std: 0.1 } : start),
  ) as CausalLM;
  if (dtype !== "f32") narrow(model, dtype);
  if (quantized !== null) await quantize(model, { quantType: quantized, blockSize: 32 });
  return model.eval();
}

/** Stores the weights and biases of linear layers in half precision, except weights that an embedding shares. */
function narrow(model: CausalLM, dtype: "f16" | "bf16"): void {
  const layers = [...model.namedModules()].map(([, module]) => module);
  const embeddings = new Set(layers.flatMap((layer) => (layer instanceof Embedding ? [layer.weight] : [])));
  const converted = (parameter: Parameter) => {
    using wide = parameter;
    return new Parameter(to(wide, { dtype }));
  };
  for (const layer of layers) {
    if (!(layer instanceof Linear || layer instanceof Conv1D) || embeddings.has(layer.weight)) continue;
    layer.weight = converted(layer.weight);
    if (layer.bias) layer.bias = converted(layer.bias);
  }
}

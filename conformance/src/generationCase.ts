import type { GenerateOptions } from "@lowrank/models";
import { Draw } from "./draw.ts";

const vocab = 31;
const sizes = { vocab_size: vocab, initializer_range: 0.2, pad_token_id: 0, bos_token_id: 1, eos_token_id: 2 };
const llama = { ...sizes, hidden_size: 24, intermediate_size: 40, num_hidden_layers: 2, num_attention_heads: 4 };
const noDropout = { resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 };

/** The models that continue random prompts. Their vocabulary is small, so that tokens, including EOS, soon repeat. */
export const generationModels = {
  llama: { model_type: "llama", ...llama, num_key_value_heads: 2, max_position_embeddings: 64 },
  qwen2: { model_type: "qwen2", ...llama, num_key_value_heads: 1, max_position_embeddings: 64 },
  gpt2: { model_type: "gpt2", ...sizes, n_embd: 24, n_layer: 2, n_head: 4, n_positions: 64, ...noDropout },
  lfm2: {
    ...{ model_type: "lfm2", ...llama, num_key_value_heads: 2, max_position_embeddings: 64 },
    ...{ layer_types: ["conv", "full_attention"], conv_L_cache: 3, block_auto_adjust_ff_dim: false },
  },
  gemma4_text: {
    ...{ model_type: "gemma4_text", ...llama, num_hidden_layers: 4, num_key_value_heads: 2, head_dim: 4 },
    ...{ global_head_dim: 8, sliding_window: 5, num_kv_shared_layers: 2, max_position_embeddings: 64 },
    ...{ layer_types: ["sliding_attention", "full_attention", "sliding_attention", "full_attention"] },
    // A larger epsilon limits the rounding errors of norms of small rows.
    ...{ hidden_size_per_layer_input: 6, vocab_size_per_layer_input: vocab, rms_norm_eps: 1e-3 },
  },
} as const;

/** Prompts and generation settings. */
export interface GenerationCase {
  model: keyof typeof generationModels;
  prompts: number[][];
  options: GenerateOptions;
  label: string;
}

/** Draws the case of a seed. */
export function generationCase(seed: number): GenerationCase {
  const draw = new Draw(seed, 0);
  const model = draw.pick(Object.keys(generationModels) as (keyof typeof generationModels)[]);
  const tokens = (count: number) => Array.from({ length: count }, () => draw.integer(1, vocab - 1));
  const tenths = (low: number, high: number) => draw.integer(low, high) / 10;
  const alike = {
    ...draw.maybe(0.25, () => ({ noRepeatNgramSize: draw.integer(1, 4) })),
    ...draw.maybe(0.25, () => ({
      badWordsIds: Array.from({ length: draw.integer(1, 3) }, () => tokens(draw.integer(1, 3))),
    })),
  };
  const beams = draw.chance(0.5);
  const numBeams = draw.integer(2, 5);
  const options: GenerateOptions = {
    maxNewTokens: draw.integer(1, 8),
    ...alike,
    ...draw.maybe(0.7, () => ({ eosTokenIds: draw.pick([tokens(1), [3, draw.integer(4, vocab - 1)]]) })),
    ...draw.maybe(0.3, () => ({ repetitionPenalty: tenths(6, 25) })),
    ...draw.maybe(0.2, () => ({ frequencyPenalty: tenths(-10, 20) })),
    ...draw.maybe(0.2, () => ({ presencePenalty: tenths(-10, 20) })),
    ...draw.maybe(0.25, () => ({ suppressTokens: tokens(draw.integer(1, 6)) })),
    ...draw.maybe(0.25, () => ({ minNewTokens: draw.integer(1, 5) })),
    ...(beams && {
      numBeams,
      ...draw.maybe(0.6, () => ({ lengthPenalty: tenths(-10, 20) })),
      ...draw.maybe(0.8, () => ({ earlyStopping: draw.pick([true, false, "never"]) })),
      ...draw.maybe(0.4, () => ({ numReturnSequences: draw.integer(1, numBeams) })),
      ...draw.maybe(0.5, () => ({
        doSample: true,
        seed: draw.integer(0, 1000),
        ...draw.maybe(0.7, () => ({ temperature: tenths(2, 30) })),
        // With fewer tokens than it draws, transformers draws some with probability 0.
        ...draw.maybe(0.4, () => ({ topK: draw.integer(3 * numBeams, vocab) })),
        ...draw.maybe(0.4, () => ({ topP: draw.integer(90, 99) / 100 })),
        ...draw.maybe(0.4, () => ({ minP: draw.integer(1, 3) / 1000 })),
      })),
    }),
  };
  // transformers treats padding as part of the text with these two options.
  const length = Object.keys(alike).length > 0 ? draw.integer(1, 8) : null;
  const prompts = Array.from({ length: draw.integer(1, 3) }, () => tokens(length ?? draw.integer(1, 8)));
  return { model, prompts, options, label: `generation, seed ${seed}, ${model}, ${Object.keys(options).join(", ")}` };
}

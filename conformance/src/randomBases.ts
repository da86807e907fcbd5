import { debertaV2 } from "./architectures/debertaV2.ts";
import { distilBert } from "./architectures/distilBert.ts";
import { encoder } from "./architectures/encoder.ts";
import { mixtral, qwen2Moe } from "./architectures/experts.ts";
import { gemma2, gemma3Text } from "./architectures/gemma.ts";
import { gemma4Text } from "./architectures/gemma4.ts";
import { gpt2 } from "./architectures/gpt2.ts";
import { gptNeoX } from "./architectures/gptNeoX.ts";
import { granite } from "./architectures/granite.ts";
import { lfm2 } from "./architectures/lfm2.ts";
import { llama } from "./architectures/llama.ts";
import { mistral } from "./architectures/mistral.ts";
import { modernBert } from "./architectures/modernBert.ts";
import { olmo2 } from "./architectures/olmo2.ts";
import { phi3 } from "./architectures/phi3.ts";
import { qwen2 } from "./architectures/qwen2.ts";
import { qwen3 } from "./architectures/qwen3.ts";
import { smollm3 } from "./architectures/smollm3.ts";
import { stablelm } from "./architectures/stablelm.ts";
import type { Draw } from "./draw.ts";

/** A small random model, and its modules for adapters. */
export interface RandomBase {
  /** The transformers config. */
  config: Record<string, unknown> & { model_type: string; vocab_size: number };
  /** The dtype of the stored weights. Both sides compute in float32. */
  dtype: "float32" | "bfloat16" | "float16";
  /** The model's task: language modelling or sequence classification. */
  task: "CAUSAL_LM" | "SEQ_CLS";
  /** Causal attention (decoder) or full attention (encoder). */
  kind: "decoder" | "encoder";
  /** The width of the logits. */
  classes: number;
  /** [inputs, outputs] of the linear layers of a block, by path in the block. */
  linears: Readonly<Record<string, readonly [inputs: number, outputs: number]>>;
  /** True if these are transformers' Conv1D, with weights stored as [in, out]. */
  conv1d: boolean;
  /**
   * Paths within a block of further parameters in transformers that LoRA can adapt: stacked weights of experts, and
   * weights of routers. Default: none.
   */
  parameters?: readonly string[];
  embedding: string;
  /**
   * True if embeddings are scaled after the lookup. PEFT's HiRA then adds to the scaled values instead of the table,
   * and a merge changes its outputs.
   */
  scaledEmbedding?: true;
  /** True if the output layer has its name from the files here, and another in transformers. */
  renamedHead?: true;
  /**
   * True if "all-linear" selects other layers in PEFT: experts are one parameter there and layers here, or a layer of
   * the head is saved whole and refused as a target.
   */
  otherLinears?: true;
  /** True if PEFT finds no sizes for prompts in the config. */
  unprompted?: true;
  /** True if the model classifies by its first token, so that padding must be on the right. Default: on either side. */
  padsRight?: true;
  /** True if the head has several layers, as in RoBERTa. PEFT can then merge only LoRA. */
  deepHead?: boolean;
  /** True if the output layer shares the embedding's weight. */
  tied: boolean;
  /** Names of norms, by path suffix. The last one is the norm after all blocks, if there is one. */
  norms: readonly string[];
  /** The part of a layer's path before its number. */
  layersPattern: string;
  layers: number;
  /** The linear layers that PEFT's attention methods adapt by default; null for a model that PEFT's table lacks. */
  attention: readonly string[] | null;
  /**
   * True if blocks differ: by a convolution instead of attention, shared keys, or heads of another size. Layers of one
   * block then do not exist in every block, and prefix tuning is not possible.
   */
  unlikeBlocks?: true;
}

/** Draws everything except the dtype. Also draws the dtype if the architecture does not support every one. */
export type DrawBase = (draw: Draw) => Omit<RandomBase, "dtype"> & Partial<Pick<RandomBase, "dtype">>;

/** The architectures to test. Architectures that more methods support are more frequent. */
const architectures: readonly DrawBase[] = [
  ...[llama, llama, llama, mistral, qwen2],
  ...[qwen3, gemma2, gemma3Text, gemma4Text, gemma4Text, smollm3, granite, olmo2, lfm2],
  ...[gpt2, gpt2],
  ...[phi3, gptNeoX, stablelm, mixtral, qwen2Moe],
  ...[encoder("bert"), encoder("roberta"), distilBert, modernBert, debertaV2],
];

/**
 * Draws a small model: grouped-query heads, tied and untied output layers, with and without biases, odd sizes, half
 * precision on disk.
 */
export function randomBase(draw: Draw): RandomBase {
  const drawBase = draw.pick(architectures);
  const dtype = draw.pick(["float32", "float32", "float32", "bfloat16", "float16"]);
  return { dtype, ...drawBase(draw) };
}

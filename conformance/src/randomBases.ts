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

/** A small model to be made at random, and its modules for adapters. */
export interface RandomBase {
  /** As transformers reads it. */
  config: Record<string, unknown> & { model_type: string; vocab_size: number };
  /** The dtype of the stored weights; both sides compute in float32. */
  dtype: "float32" | "bfloat16" | "float16";
  /** The model's task: to predict tokens, or to choose a class for each sequence. */
  task: "CAUSAL_LM" | "SEQ_CLS";
  /** Reads a sequence from left to right, or as a whole. */
  kind: "decoder" | "encoder";
  /** The width of its logits. */
  classes: number;
  /** [inputs, outputs] of the linear layers of a block, by their path in it. */
  linears: Readonly<Record<string, readonly [inputs: number, outputs: number]>>;
  /** These are transformers' Conv1D, whose weights lie input first. */
  conv1d: boolean;
  embedding: string;
  /**
   * Embeddings are multiplied behind the table. PEFT's HiRA adds to what is multiplied, not to the
   * table, and so gives other numbers once merged.
   */
  scaledEmbedding?: true;
  /** Its output layer has the name of its files here, and another in transformers. */
  renamedHead?: true;
  /**
   * "all-linear" means others in PEFT: experts are one parameter there and layers here, or a layer
   * of the head is saved whole and refused as a target.
   */
  otherLinears?: true;
  /** PEFT finds no sizes for prompts in its config. */
  unprompted?: true;
  /**
   * It reads a sequence by its first token, whose answer on padding means nothing: padding stands
   * on the right. Default: on either side.
   */
  padsRight?: true;
  /** Its head has several layers, as RoBERTa's: beside it PEFT merges LoRA alone. */
  deepHead?: boolean;
  /** The output layer shares the embedding's weight. */
  tied: boolean;
  /**
   * Norms, by a name that ends their paths; the last one stands behind all blocks, where one does.
   */
  norms: readonly string[];
  /** The part of a layer's path before its number. */
  layersPattern: string;
  layers: number;
  /**
   * The linear layers that PEFT's methods for attention take where they are told none; null for a
   * model that PEFT's table does not know.
   */
  attention: readonly string[] | null;
  /**
   * Blocks differ, by a convolution in the place of attention, keys that others share or heads of
   * another size: layers of a block are not those of every block, and no prefix of keys and values
   * goes before all.
   */
  unlikeBlocks?: true;
}

/** An architecture's draw of all but the dtype, or of that too where not every one will do. */
export type DrawBase = (draw: Draw) => Omit<RandomBase, "dtype"> & Partial<Pick<RandomBase, "dtype">>;

/** The architectures that are tried, those more often that more methods take. */
const architectures: readonly DrawBase[] = [
  ...[llama, llama, llama, mistral, qwen2],
  ...[qwen3, gemma2, gemma3Text, gemma4Text, gemma4Text, smollm3, granite, olmo2, lfm2],
  ...[gpt2, gpt2],
  ...[phi3, gptNeoX, stablelm, mixtral, qwen2Moe],
  ...[encoder("bert"), encoder("roberta"), distilBert, modernBert, debertaV2],
];

/**
 * A small model: grouped-query heads, tied and untied output layers, biases or none, odd
 * sizes, half precision on disk.
 */
export function randomBase(draw: Draw): RandomBase {
  const drawBase = draw.pick(architectures);
  const dtype = draw.pick(["float32", "float32", "float32", "bfloat16", "float16"]);
  return { dtype, ...drawBase(draw) };
}

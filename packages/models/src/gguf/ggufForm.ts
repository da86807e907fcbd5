import type { JsonFields } from "../config/jsonFields.ts";
import type { GgufTensorInfo } from "./readGguf.ts";
import type { GgufValue } from "./writeGguf.ts";

/**
 * The layout of one tensor: its names in a Hugging Face folder and in a GGUF file, and the differences in how it is
 * stored.
 */
export interface TensorLayout {
  hf: string;
  gguf: string;
  /** Shape in the Hugging Face folder. */
  shape: readonly number[];
  /**
   * Number of heads whose two halves of rows GGUF interleaves, as llama.cpp's rotary embedding requires. Default: no
   * interleaving.
   */
  heads?: number;
  /**
   * Number of heads of a combined query, key and value projection. Hugging Face stores query, key and value of each
   * head together; GGUF stores all queries, then all keys, then all values. Default: not combined.
   */
  joined?: number;
  /** Present if the tensor is part `index` of `count` tensors that GGUF stacks as one. */
  stacked?: { readonly index: number; readonly count: number };
  /** True if llama.cpp stores the tensor as f32 in every file. */
  keepsF32?: true;
  /** The amount by which GGUF's values are larger. Default 0. */
  plus?: number;
  /** True if GGUF stores the weight as [out, in] and Hugging Face's Conv1D as [in, out]. */
  transposed?: true;
}

/** The parts of a GGUF file from which a config is read. */
export interface GgufParts {
  metadata: JsonFields;
  /** Returns the full key for a key of the architecture, such as `llama.embedding_length` for `embedding_length`. */
  key: (name: string) => string;
  tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Factors of the rotary embedding, by the names of their tensors in the file. */
  ropeFactors: ReadonlyMap<string, Float32Array>;
}

/** The GGUF form of an architecture's language model: llama.cpp's names and conversion in both directions. */
export interface GgufForm<C> {
  /** The value of `general.architecture` in llama.cpp. Several architectures may share it. */
  readonly architecture: string;
  /** True if llama.cpp supports only tied output layers. Default false. */
  readonly alwaysTied?: boolean;
  /** True if llama.cpp requires an untied output layer. Default false. */
  readonly neverTied?: boolean;
  /** True if the architecture has experts. Files with experts are rejected otherwise. Default false. */
  readonly hasExperts?: boolean;
  /**
   * llama.cpp's `tokenizer.ggml.model` for a BPE with byte fallback: "llama" (SentencePiece scores, the default) or
   * "gemma4" (merges).
   */
  readonly lettersTokenizer?: "llama" | "gemma4";
  /**
   * Returns true if a file holds this architecture, in case another one has the same GGUF name. The architecture
   * without `claims` gets the remaining files.
   */
  claims?(parts: GgufParts): boolean;
  /** Reads the keys of a `config.json`, without vocabulary size, ties, token ids, `model_type` and `architectures`. */
  readConfig(parts: GgufParts): Record<string, unknown>;
  /** Returns the metadata with keys below the architecture's name. Throws for settings that have no GGUF key. */
  metadata(config: C): Record<string, GgufValue>;
  /** Returns the tensors without the output layer, in the order of llama.cpp's converter (order of use). */
  tensors(config: C): TensorLayout[];
  /**
   * Returns factors of the rotary embedding by tensor name. For example, `rope_freqs.weight` has a divisor for each
   * frequency.
   */
  ropeFactors?(config: C): Readonly<Record<string, ArrayLike<number>>>;
  /** Returns the names of tensors that a file may contain but the model does not use. Default: none. */
  idle?(config: C): readonly string[];
  /** Returns notes about a converted file for the user. Default: none. */
  notes?(config: C): readonly string[];
}

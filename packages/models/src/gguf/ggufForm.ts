import type { JsonFields } from "../config/jsonFields.ts";
import type { GgufTensorInfo } from "./readGguf.ts";
import type { GgufValue } from "./writeGguf.ts";

/** A tensor's names in a Hugging Face folder (`hf`) and in a GGUF file (`gguf`), and how its stored values differ. */
export interface TensorLayout {
  hf: string;
  gguf: string;
  /** Shape in the Hugging Face folder. */
  shape: readonly number[];
  /**
   * Number of attention heads. If set, the rows of each head are reordered, as llama.cpp's rotary embedding requires:
   * GGUF interleaves the first and the second half of a head's rows. Default: rows are not reordered.
   */
  heads?: number;
  /**
   * Number of heads of a combined query, key and value projection. Hugging Face stores query, key and value of each
   * head together; GGUF stores all queries, then all keys, then all values. Default: not combined.
   */
  joined?: number;
  /** Set if GGUF stacks `count` tensors in one tensor; `index` is the position of this tensor in the stack. */
  stacked?: { readonly index: number; readonly count: number };
  /** True if llama.cpp stores the tensor as f32 in every file, independent of the matrices' type. Default: false. */
  keepsF32?: true;
  /**
   * Value that is added to each element in the GGUF file, such as 1 for the norm weights of some architectures. Default
   * 0.
   */
  plus?: number;
  /** True if Hugging Face stores the weight as [in, out] (Conv1D) and GGUF as [out, in]. Default: false. */
  transposed?: true;
}

/** The contents of a GGUF file that are required to read a model's config. */
export interface GgufParts {
  metadata: JsonFields;
  /** Adds the architecture's prefix to a metadata key: `embedding_length` becomes `llama.embedding_length`. */
  key: (name: string) => string;
  tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Factors of the rotary frequencies, by the name of their tensor in the file. */
  ropeFactors: ReadonlyMap<string, Float32Array>;
}

/**
 * Describes how language models of an architecture are stored as GGUF: names, and conversions in both directions, as in
 * llama.cpp.
 */
export interface GgufForm<C> {
  /**
   * The value of `general.architecture` in the file, as defined by llama.cpp. Several architectures may use the same
   * value.
   */
  readonly architecture: string;
  /** True if llama.cpp supports only models whose output layer is tied to the embedding. Default false. */
  readonly alwaysTied?: boolean;
  /** True if llama.cpp supports only models whose output layer is not tied to the embedding. Default false. */
  readonly neverTied?: boolean;
  /** True if models of the architecture have experts. Default false: files with experts are rejected. */
  readonly hasExperts?: boolean;
  /**
   * The value of `tokenizer.ggml.model` that llama.cpp uses for a BPE with byte fallback: "llama" (the file stores
   * SentencePiece scores, the default) or "gemma4" (the file stores merges).
   */
  readonly lettersTokenizer?: "llama" | "gemma4";
  /**
   * Returns true if the file belongs to this architecture. Required if several architectures have the same GGUF name. A
   * file for which no `claims` returns true belongs to the architecture without `claims`.
   */
  claims?(parts: GgufParts): boolean;
  /**
   * Returns the keys of a `config.json`, except `vocab_size`, `tie_word_embeddings`, token ids, `model_type` and
   * `architectures`.
   */
  readConfig(parts: GgufParts): Record<string, unknown>;
  /**
   * Returns metadata values by key. The caller adds the architecture's prefix to the keys. Throws for settings that
   * have no GGUF key.
   */
  metadata(config: C): Record<string, GgufValue>;
  /** Returns the layouts of all tensors but the output layer, in the order of llama.cpp's converter. */
  tensors(config: C): TensorLayout[];
  /**
   * Returns the factors of the rotary frequencies by tensor name: `rope_freqs.weight` has a divisor for each frequency.
   * Default: none.
   */
  ropeFactors?(config: C): Readonly<Record<string, ArrayLike<number>>>;
  /** Returns the names of tensors that a file may contain but the model does not use. Default: none. */
  idle?(config: C): readonly string[];
  /** Returns notes for the user about a converted file. Default: none. */
  notes?(config: C): readonly string[];
}

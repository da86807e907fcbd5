import type { JsonFields } from "../config/jsonFields.ts";
import type { GgufTensorInfo } from "./readGguf.ts";
import type { GgufValue } from "./writeGguf.ts";

/**
 * One tensor of a model: its names in a Hugging Face folder and in a GGUF
 * file, and how it lies there.
 */
export interface TensorLayout {
  hf: string;
  gguf: string;
  /** Its shape in the Hugging Face folder. */
  shape: readonly number[];
  /**
   * Present where GGUF interleaves the two halves of each head's rows, as llama.cpp's
   * rotary embedding wants them.
   */
  heads?: number;
  /**
   * Present where Hugging Face has the query, key and value of each of so many heads side by
   * side, and GGUF all queries first, then all keys, then all values.
   */
  joined?: number;
  /** Present where GGUF stacks so many tensors as one, this one at place `index`. */
  stacked?: { readonly index: number; readonly count: number };
  /** True where llama.cpp keeps f32 whatever a file's matrices are stored in. */
  keepsF32?: true;
  /** Present where GGUF's numbers are larger by so much. */
  plus?: number;
  /** Present where GGUF has [out, in] and Hugging Face's Conv1D [in, out]. */
  transposed?: true;
}

/** The parts of a GGUF file that a config is made of. */
export interface GgufParts {
  metadata: JsonFields;
  /**
   * Gives the full name of a key below the architecture's: `embedding_length` is
   * `llama.embedding_length`.
   */
  key: (name: string) => string;
  tensors: ReadonlyMap<string, GgufTensorInfo>;
  /** Factors of the rotary embedding by the name of their tensor, those that the file has. */
  ropeFactors: ReadonlyMap<string, Float32Array>;
}

/** The form of an architecture's language model in a GGUF file, in llama.cpp's names. */
export interface GgufForm<C> {
  /** llama.cpp's name, `general.architecture`. Several architectures may share it. */
  readonly architecture: string;
  /** True if llama.cpp has no output layer of its own in it. Default false. */
  readonly alwaysTied?: boolean;
  /** True if llama.cpp takes no model without an output layer of its own. Default false. */
  readonly neverTied?: boolean;
  /** True if there are experts. Files with such are refused otherwise. Default false. */
  readonly hasExperts?: boolean;
  /**
   * llama.cpp's name of a tokenizer of letters that falls back to bytes: by scores ("llama", the
   * default) or by merges.
   */
  readonly lettersTokenizer?: "llama" | "gemma4";
  /**
   * Gives true for the files that hold this architecture, where another one shares the
   * name and takes the rest.
   */
  claims?(parts: GgufParts): boolean;
  /**
   * Reads the keys of a `config.json`, but for vocabulary, ties, token ids,
   * `model_type` and `architectures`.
   */
  readConfig(parts: GgufParts): Record<string, unknown>;
  /**
   * Gives the metadata below the architecture's name. Throws for settings without a key in GGUF,
   * since they would be lost.
   */
  metadata(config: C): Record<string, GgufValue>;
  /**
   * Gives the tensors but the output layer, in the order of llama.cpp's
   * converter: as they are used.
   */
  tensors(config: C): TensorLayout[];
  /**
   * Returns factors of the rotary embedding by the name of the tensor that holds them, such as
   * `rope_freqs.weight`, the divisor of each frequency.
   */
  ropeFactors?(config: C): Readonly<Record<string, ArrayLike<number>>>;
  /** Returns names of tensors that a file may hold, and that the model has no use for. */
  idle?(config: C): readonly string[];
  /** Returns notes about a converted file for the user. */
  notes?(config: C): readonly string[];
}

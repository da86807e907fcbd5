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
  /** Frequency factors of the rotary embedding, where the file has them. */
  ropeFactors: Float32Array | undefined;
}

/** The form of an architecture's language model in a GGUF file, in llama.cpp's names. */
export interface GgufForm<C> {
  /** llama.cpp's name, `general.architecture`. Several architectures may share it. */
  readonly architecture: string;
  /** True if llama.cpp has no output layer of its own in it. Default false. */
  readonly alwaysTied?: boolean;
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
   * Returns the divisor of each rotary frequency, as `rope_freqs.weight` holds it; null for none.
   */
  ropeFactors?(config: C): Float32Array | null;
  /** Returns notes about a converted file for the user. */
  notes?(config: C): readonly string[];
}

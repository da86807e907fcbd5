import type { ClassifierHead } from "./classifierHead.ts";
import type { JsonFields } from "./jsonFields.ts";

/** The fields that every config has. */
export interface ArchitectureConfig {
  /** Hugging Face's `model_type`, which selects the architecture. */
  modelType: string;
  vocabSize: number;
  padTokenId: number | null;
}

/** The config of a language model of any architecture. */
export interface ModelConfig extends ArchitectureConfig {
  /** True if the output layer's weight is the embedding's weight. */
  tieWordEmbeddings: boolean;
  bosTokenId: number | null;
  eosTokenIds: number[];
}

/** The config of a sequence classifier of any architecture. */
export type ClassifierConfig = ArchitectureConfig & ClassifierHead;

/** The config of a token classifier. */
export type TokenClassifierConfig = ClassifierConfig & { readonly perToken: true };

/** Returns true for the config of a token classifier. */
export function isTokenClassifierConfig(config: object): config is TokenClassifierConfig {
  return "perToken" in config;
}

/** Returns true for the config of a sequence or token classifier. */
export function isClassifierConfig(config: object): config is ClassifierConfig {
  return "labels" in config;
}

/** Returns `eos_token_id` as Hugging Face writes it: null, one number, or a list. */
export function eosToHf(ids: readonly number[]): null | number | number[] {
  if (ids.length === 0) return null;
  return ids.length === 1 ? ids[0] : [...ids];
}

/** The supported activation functions, named as in Hugging Face's ACT2FN. */
export type Activation = (typeof activations)[number];

const activations = ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"] as const;

/** Reads an activation function; "swish" is a synonym of "silu". */
export function readActivation(fields: JsonFields, key: string, fallback: Activation): Activation {
  return fields.raw(key) === "swish" ? "silu" : fields.oneOf(key, activations, fallback);
}

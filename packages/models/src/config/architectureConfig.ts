import type { ClassifierHead } from "./classifierHead.ts";

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

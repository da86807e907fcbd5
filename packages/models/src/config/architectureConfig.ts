import type { ClassifierHead } from "./classifierHead.ts";

/** The fields that every config has, whatever its architecture. */
export interface ArchitectureConfig {
  /** Hugging Face's `model_type`, by which the architecture is found. */
  modelType: string;
  vocabSize: number;
  padTokenId: number | null;
}

/** The shape of a language model of any architecture. */
export interface ModelConfig extends ArchitectureConfig {
  /** True if the output layer's weight is the embedding. */
  tieWordEmbeddings: boolean;
  bosTokenId: number | null;
  eosTokenIds: number[];
}

/** The shape of a sequence classifier of any architecture. */
export type ClassifierConfig = ArchitectureConfig & ClassifierHead;

/** The shape of a classifier that answers for each token. */
export type TokenClassifierConfig = ClassifierConfig & { readonly perToken: true };

/** True if a config is that of a classifier that answers for each token. */
export function isTokenClassifierConfig(config: object): config is TokenClassifierConfig {
  return "perToken" in config;
}

/** True if a config is that of a classifier. */
export function isClassifierConfig(config: object): config is ClassifierConfig {
  return "labels" in config;
}

import type { ModelFiles } from "@lowrank/files";
import type { TokenClassifierConfig } from "../config/architectureConfig.ts";
import { type LoadClassifierOptions, type LoadedClassifier, loadClassifier } from "./loadClassifier.ts";

/** A loaded token classifier, with the tokenizer and the other files of its folder. */
export type LoadedTokenClassifier = LoadedClassifier<TokenClassifierConfig>;

/**
 * Loads a token classification model from the same sources as `loadSequenceClassifier`. With `newHead`, the checkpoint
 * may have been trained for another task.
 */
export async function loadTokenClassifier(
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions = {},
): Promise<LoadedTokenClassifier> {
  return loadClassifier("loadTokenClassifier", source, given, { problemType: null, perToken: true as const });
}

import type { ModelFiles } from "@lowrank/files";
import type { TokenClassifierConfig } from "../config/architectureConfig.ts";
import { type LoadClassifierOptions, type LoadedClassifier, loadClassifier } from "./loadClassifier.ts";

/** A classifier of tokens with what lies beside it in its folder. */
export type LoadedTokenClassifier = LoadedClassifier<TokenClassifierConfig>;

/**
 * Loads a model that classifies tokens, from where `loadSequenceClassifier` loads others; with
 * `newHead`, from the checkpoint of another task.
 */
export async function loadTokenClassifier(
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions = {},
): Promise<LoadedTokenClassifier> {
  return loadClassifier("loadTokenClassifier", source, given, { problemType: null, perToken: true as const });
}

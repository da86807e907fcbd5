import type { ModelFiles } from "@lowrank/files";
import { type LoadClassifierOptions, type LoadedClassifier, loadClassifier } from "./loadClassifier.ts";

/**
 * Loads a sequence classification model. The source is a Hugging Face folder (a path or file: URL in Node, or an
 * http(s) address), the Hugging Face hub (`hf://org/name`) or `ModelFiles`. With `newHead`, the checkpoint may have
 * been trained for another task. Throws if a tensor is missing, unexpected or has the wrong shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  return loadClassifier("loadSequenceClassifier", source, given, {});
}

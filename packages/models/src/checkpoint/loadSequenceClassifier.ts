import type { ModelFiles } from "@lowrank/files";
import { type LoadClassifierOptions, type LoadedClassifier, loadClassifier } from "./loadClassifier.ts";

/**
 * Loads a model that classifies sequences from a Hugging Face folder (a path or file: URL in Node,
 * an http(s) address), from the Hugging Face hub (`hf://org/name`) or from `ModelFiles`; with
 * `newHead`, from the checkpoint of another task. Throws where a tensor is missing, unexpected or
 * of another shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  given: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  return loadClassifier("loadSequenceClassifier", source, given, {});
}

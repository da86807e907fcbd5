import type { ModelFiles } from "@lowrank/files";
import type { QuantizationReport } from "@lowrank/nn";
import type { ClassifierConfig } from "./config/classifierConfig.ts";
import { readModel, readTokenizer } from "./loadModel.ts";
import { openClassifier, type WeightOptions } from "./openModel.ts";
import type { SequenceClassifier } from "./sequenceClassifier.ts";
import type { Tokenizer } from "./tokenizer/tokenizer.ts";

/** Options of `loadSequenceClassifier`. */
export interface LoadClassifierOptions extends Omit<WeightOptions, "weights"> {
  /** Called as tensors arrive, with the bytes read so far and in all. */
  onProgress?: (loaded: number, total: number) => void;
}

/** A classifier with what lies beside it in its folder. */
export interface LoadedClassifier {
  model: SequenceClassifier;
  config: ClassifierConfig;
  /** Undefined where the folder has no tokenizer.json. */
  tokenizer: Tokenizer | undefined;
  files: ModelFiles;
  /** What was quantised while loading; null where nothing was. */
  quantization: QuantizationReport | null;
}

/**
 * Loads a BERT, RoBERTa or GPT-2 that classifies sequences from a Hugging Face folder (a path or file: URL in Node) or
 * from `ModelFiles`. Throws where a tensor is missing, unexpected or of another shape.
 */
export async function loadSequenceClassifier(
  source: string | URL | ModelFiles,
  options: LoadClassifierOptions = {},
): Promise<LoadedClassifier> {
  const { config, files, weights, quantization } = await openClassifier(source, options);
  const model = await readModel(config, weights, options);
  return { model, config, tokenizer: await readTokenizer(files), files, quantization };
}

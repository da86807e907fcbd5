import type { Tensor } from "@lowrank/core";
import type { ModelFiles } from "@lowrank/files";
import type { ClassifierConfig } from "../config/architectureConfig.ts";
import type { ClassifierInputs } from "../model/sequenceClassifier.ts";
import { TransformerModel } from "../model/transformerModel.ts";
import { loadArchitecture } from "../registry/loadArchitecture.ts";
import { type LoadClassifierOptions, type LoadedClassifier, loadClassifier } from "./loadClassifier.ts";

/** An encoder without a head, with the module names of transformers' AutoModel. */
export interface Encoder extends TransformerModel {
  readonly config: Pick<ClassifierConfig, "modelType">;
  /** Returns the final hidden states f32 [B, P + T, D], of which the first P belong to virtual tokens. */
  forward(inputs: ClassifierInputs): Tensor;
}

/** A loaded encoder, with the tokenizer and the other files of its folder. */
export interface LoadedEncoder extends Omit<LoadedClassifier, "model" | "freshParameters"> {
  model: Encoder;
}

/**
 * Loads an encoder without a head, as transformers' AutoModel does, from a folder, an address or `ModelFiles`. The
 * checkpoint may have any head, which is ignored. Throws if the model is not an encoder.
 */
export async function loadEncoder(
  source: string | URL | ModelFiles,
  options: Omit<LoadClassifierOptions, "newHead"> = {},
): Promise<LoadedEncoder> {
  const newHead = { labels: ["unused"] };
  const {
    model,
    freshParameters: _,
    ...loaded
  } = await loadClassifier("loadEncoder", source, { ...options, newHead }, {});
  const { stack, defaultTargets } = await loadArchitecture(loaded.config);
  const encoder = model.getChild(stack);
  if (!(encoder instanceof TransformerModel)) {
    throw new Error(
      `${loaded.files.label} is a ${loaded.config.modelType}, which is not an encoder; give a BERT or a similar model`,
    );
  }
  encoder.defaultTargets = defaultTargets;
  for (const [name, parameter] of model.namedParameters()) if (!name.startsWith(`${stack}.`)) parameter.dispose();
  return { ...loaded, model: encoder as Encoder };
}

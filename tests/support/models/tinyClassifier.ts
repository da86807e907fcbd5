import { Generator } from "@lowrank/core";
import { createModel, parseClassifierConfig, randomParameters, type SequenceClassifier } from "@lowrank/models";
import type { LabelledSequence, TrainerOptions } from "@lowrank/train";

/** The sizes of the models below. */
export const tinySizes = {
  vocab_size: 12,
  hidden_size: 16,
  intermediate_size: 24,
  num_hidden_layers: 1,
  num_attention_heads: 2,
} as const;

/** Makes a random BERT classifier that can learn `tokenSeven`; `more` are fields of its config.json. */
export function tinyClassifier(more: object = {}): SequenceClassifier {
  const sizes = { ...tinySizes, max_position_embeddings: 16, hidden_dropout_prob: 0, attention_probs_dropout_prob: 0 };
  const config = parseClassifierConfig({ model_type: "bert", ...sizes, ...more });
  const draw = randomParameters(new Generator(5));
  return createModel(config, (name, shape, start) => draw(name, shape, "std" in start ? { std: 0.3 } : start));
}

/** Labelled sequences: label 1 if token 7 is in the sequence, else 0. */
export const tokenSeven: readonly LabelledSequence[] = Array.from({ length: 24 }, (_, i) => {
  const inputIds = [1, ...Array.from({ length: 3 + (i % 3) }, (_, t) => 2 + ((3 * i + 5 * t) % 5))];
  if (i % 2 === 1) inputIds[1 + (i % 3)] = 7;
  return { inputIds, label: i % 2 };
});

/** Options of a training that learns `tokenSeven`. */
export const tinyTraining: TrainerOptions = {
  padTokenId: 0,
  learningRate: 2e-2,
  batchSize: 8,
  maxSteps: 30,
  seed: 3,
};

import { Generator, OptionError, Tensor, tensor } from "@lowrank/core";
import type { AdaptableModel } from "@lowrank/peft";

/** A batch of random token ids as plain data. */
export interface InputsDescription {
  /** Number of sequences. */
  batch: number;
  /** Number of tokens in each sequence. */
  length: number;
  /** Seed of the token ids. */
  seed: number;
}

/**
 * The inputs of a model: a description of token ids for a language model, or the arguments of the model's `forward`.
 */
export type ModelArguments = InputsDescription | readonly unknown[];

/** The description that the properties use if none is given: 3 sequences of 4 tokens, with seed 0. */
export const defaultInputs: InputsDescription = { batch: 3, length: 4, seed: 0 };

/** True for the models of @lowrank/models, whose `forward` takes `{ inputIds }`. */
const takesTokens = (model: AdaptableModel): model is AdaptableModel & { vocabSize: number } =>
  "vocabSize" in model && typeof model.vocabSize === "number" && "attentionSizes" in model;

/**
 * Returns the arguments of a model's `forward`. The caller frees tensors that a description gave. Throws `OptionError`
 * for a module that is no language model if its inputs are missing.
 */
export function argumentsOf(model: AdaptableModel, inputs: ModelArguments | undefined): readonly unknown[] {
  if (Array.isArray(inputs)) return inputs;
  if (!takesTokens(model)) {
    const name = model.constructor.name;
    throw new OptionError("", "inputs", inputs, () => {
      return `inputs are missing: ${name} is no language model of @lowrank/models; give the arguments of its forward, as in { inputs: [x] }`;
    });
  }
  const { batch, length, seed } = { ...defaultInputs, ...(inputs as InputsDescription | undefined) };
  for (const [name, value, least] of [
    ["batch", batch, 1] as const,
    ["length", length, 1] as const,
    ["seed", seed, 0] as const,
  ]) {
    if (Number.isSafeInteger(value) && value >= least) continue;
    throw new OptionError("", `inputs.${name}`, value, `is ${value}; give an integer of at least ${least}`);
  }
  return [{ inputIds: tokenIds([batch, length], model.vocabSize, seed, model) }];
}

function tokenIds(shape: readonly [number, number], vocabulary: number, seed: number, model: AdaptableModel): Tensor {
  const draws = new Float32Array(shape[0] * shape[1]);
  new Generator(seed).fillUniform(draws, 0, 1);
  const ids = Int32Array.from(draws, (u) => Math.floor(u * vocabulary));
  return tensor(ids, { shape: [...shape], backend: model.backend });
}

/** Frees the tensors among arguments that `argumentsOf` made from a description. */
export function freeInputs(inputs: readonly unknown[]): void {
  for (const input of inputs) for (const value of Object.values(input as object)) (value as Tensor).dispose();
}

/** Returns the tensor among a model's outputs: the output itself, or its `logits`. Throws for other outputs. */
export function outputTensor(model: AdaptableModel, output: unknown): Tensor {
  if (output instanceof Tensor) return output;
  const logits = (output as { logits?: unknown } | null)?.logits;
  if (logits instanceof Tensor) return logits;
  throw new Error(
    `${model.constructor.name}.forward returned ${typeof output}; the properties need a tensor, or an object with logits`,
  );
}

import { checkOptions, formatShape, type OptionKeys, Tensor } from "@lowrank/core";
import type { LabelledInputs } from "./causalLM.ts";
import type { LabelledSequences } from "./sequenceClassifier.ts";

const inputKeys: OptionKeys<LabelledInputs & LabelledSequences> = {
  ...({
    inputIds: true,
    attentionMask: true,
    positionIds: true,
    tokenTypeIds: true,
    cache: true,
    labels: true,
  } as const),
};

/** Throws for inputs that no model has, and for token ids that are no batch [B, T]. */
export function checkInputs(inputs: { readonly inputIds: Tensor }): void {
  checkOptions("forward", inputs, inputKeys as OptionKeys<{ inputIds: Tensor }>);
  const { inputIds } = inputs;
  if (!(inputIds instanceof Tensor)) {
    const given = Array.isArray(inputIds) ? "a list" : String(inputIds);
    throw new Error(`forward: inputIds is ${given}; give a batch of token ids, tensor([ids], { dtype: "i32" })`);
  }
  if (inputIds.ndim === 2) return;
  throw new Error(
    `forward: inputIds is ${formatShape(inputIds.shape)}, and a batch is [B, T]; of one sequence give tensor([ids], { dtype: "i32" }), or inputIds.reshape(1, -1)`,
  );
}

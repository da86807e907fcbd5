import { formatShape, Tensor } from "@lowrank/core";
import { checkOptions, type OptionKeys } from "@lowrank/core/internal";
import type { LabelledInputs } from "./causalLM.ts";
import type { LabelledSequences } from "./sequenceClassifier.ts";

const inputKeys: OptionKeys<LabelledInputs & LabelledSequences> = {
  ...({
    inputIds: true,
    attentionMask: true,
    positionIds: true,
    maxPosition: true,
    tokenTypeIds: true,
    cache: true,
    labels: true,
  } as const),
};

/** Throws for unknown names of inputs, and if the token ids do not have the shape [B, T]. */
export function checkInputs(inputs: {
  readonly inputIds: Tensor;
  readonly positionIds?: Tensor | null;
  readonly maxPosition?: number;
}): void {
  checkOptions("forward", inputs, inputKeys as OptionKeys<{ inputIds: Tensor }>);
  const { inputIds } = inputs;
  if (!(inputIds instanceof Tensor)) {
    const given = Array.isArray(inputIds) ? "a list" : String(inputIds);
    throw new Error(`forward: inputIds is ${given}; give a batch of token ids, tensor([ids], { dtype: "i32" })`);
  }
  const { positionIds, maxPosition } = inputs;
  if (maxPosition !== undefined && (!positionIds || !Number.isSafeInteger(maxPosition) || maxPosition < 0)) {
    const given = positionIds ? "" : " without positionIds";
    throw new Error(
      `forward: maxPosition is ${maxPosition}${given}; give the largest of positionIds, an integer from 0`,
    );
  }
  if (inputIds.ndim === 2) return;
  throw new Error(
    `forward: inputIds is ${formatShape(inputIds.shape)}, and a batch is [B, T]; of one sequence give tensor([ids], { dtype: "i32" }), or inputIds.reshape(1, -1)`,
  );
}

import { backward, scope, type Tensor } from "@lowrank/core";
import type { LabelledInputs } from "@lowrank/models";
import { AdamW, type Parameter } from "@lowrank/nn";

/**
 * Returns a function that runs forward, backward and AdamW, always on the same tokens i32 [B, T], which are also the
 * labels. It returns the loss before the step.
 */
export function trainingStep(
  model: { loss(inputs: LabelledInputs): Tensor; parameters(): Iterable<Parameter> },
  inputIds: Tensor,
): () => number {
  const optimizer = new AdamW([...model.parameters()].filter((p) => p.requiresGrad));
  return () => {
    using loss = scope(() => {
      const value = model.loss({ inputIds, labels: inputIds });
      backward(value);
      return value.detach();
    });
    optimizer.step();
    optimizer.zeroGrad();
    return loss.itemSync();
  };
}

import { noGrad, type Tensor } from "@lowrank/core";
import type { CausalLM, LabelledInputs } from "@lowrank/models";
import { AdamW } from "@lowrank/nn";
import type { PeftModel } from "@lowrank/peft";
import type { Results } from "./compare.ts";

/** Python's tensors: shapes, and float32 bytes in base64. */
export type PackedTensors = Record<string, { shape: number[]; data: string }>;

/** What is to be trained, under PEFT's names without the adapter's. */
function trainable(model: PeftModel<CausalLM>): [string, Tensor][] {
  return [...model.namedParameters()]
    .filter(([, parameter]) => parameter.requiresGrad)
    .map(([name, parameter]) => [name.replace(".default", ""), parameter]);
}

const floats = async (tensor: Tensor): Promise<Float32Array> => (await tensor.data()) as Float32Array;

/** Logits, loss and the gradient of every trainable parameter that the loss reaches. */
export async function measure(model: PeftModel<CausalLM>, inputs: LabelledInputs): Promise<Results> {
  const parameters = trainable(model);
  for (const [, parameter] of parameters) parameter.grad = null;
  const { logits, loss } = model.forward(inputs);
  loss!.backward();
  const results: Results = new Map([
    ["logits", await floats(logits)],
    ["loss", await floats(loss!)],
  ]);
  for (const [name, { grad }] of parameters) if (grad) results.set(`grad.${name}`, await floats(grad));
  return results;
}

/** Logits of a model without gradients. */
export async function logitsOf(model: CausalLM, inputs: LabelledInputs): Promise<Float32Array> {
  return floats(noGrad(() => model.forward(inputs)).logits);
}

/** Losses of AdamW steps on one batch, each taken before its step. */
export async function train(
  model: PeftModel<CausalLM>,
  inputs: LabelledInputs,
  steps: number,
  lr: number,
): Promise<Float32Array> {
  const optimizer = new AdamW(model.trainableParameters(), { lr, weightDecay: 0 });
  const losses = new Float32Array(steps);
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    const loss = model.forward(inputs).loss!;
    loss.backward();
    optimizer.step();
    losses[step] = await loss.item();
  }
  return losses;
}

/** Python's tensors by name. */
export function unpack(tensors: PackedTensors): Results {
  return new Map(
    Object.entries(tensors).map(([name, { data }]) => {
      const bytes = Uint8Array.from(Buffer.from(data, "base64"));
      return [name, new Float32Array(bytes.buffer)];
    }),
  );
}

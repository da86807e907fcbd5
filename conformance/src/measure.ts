import { noGrad, scope, type Tensor } from "@lowrank/core";
import type { LabelledInputs } from "@lowrank/models";
import { AdamW, type Parameter } from "@lowrank/nn";
import type { Results } from "./compare.ts";

/** Python's tensors: shapes, and float32 bytes in base64. */
export type PackedTensors = Record<string, { shape: number[]; data: string }>;

/** An adapted language model or classifier. Both accept a batch with labels. */
interface Adapted {
  forward(inputs: LabelledInputs): { logits: Tensor };
  loss(inputs: LabelledInputs): Tensor;
  namedParameters(): Iterable<[string, Parameter]>;
  trainableParameters(): Iterable<Parameter>;
  /** The adapter's tensors by file key. Absent on models without adapters. */
  adapterTensors?(): ReadonlyMap<string, Tensor>;
  updateAndAllocate(step: number): Promise<void>;
}

/**
 * Returns the trainable parameters under PEFT's names, without the adapter's name. LoRA's factors have the names that
 * they have in files, since the layers of one stacked parameter of experts have other paths in PEFT.
 */
function trainable(model: Adapted): [string, Tensor][] {
  const filed = [...(model.adapterTensors?.() ?? [])].filter(([key]) => /\.lora_[AB]\.weight$/.test(key));
  const keys = new Map(filed.map(([key, tensor]) => [tensor, key]));
  return [...model.namedParameters()]
    .filter(([, parameter]) => parameter.requiresGrad)
    .map(([name, parameter]) => [keys.get(parameter) ?? name.replace(".default", ""), parameter]);
}

const floats = async (tensor: Tensor): Promise<Float32Array> => (await tensor.data()) as Float32Array;

/**
 * Returns logits, loss and, with `gradients`, the gradients of all nonempty trainable parameters that the loss depends
 * on.
 */
export async function measure(model: Adapted, inputs: LabelledInputs, gradients = true): Promise<Results> {
  const parameters = gradients ? trainable(model) : [];
  for (const [, parameter] of parameters) parameter.grad = null;
  const loss = scope(() => {
    const value = model.loss(inputs);
    if (gradients) value.backward();
    return value.detach();
  });
  const results: Results = new Map([
    ["logits", await logitsOf(model, inputs)],
    ["loss", await floats(loss)],
  ]);
  for (const [name, { grad }] of parameters) if (grad && grad.size > 0) results.set(`grad.${name}`, await floats(grad));
  return results;
}

/** Returns a model's logits, computed without gradients. */
export async function logitsOf(model: Pick<Adapted, "forward">, inputs: LabelledInputs): Promise<Float32Array> {
  return floats(noGrad(() => model.forward(inputs)).logits);
}

/** Options of `train`. With `allocates`, ranks are reallocated after every step. */
export interface Training {
  steps: number;
  lr: number;
  allocates?: boolean;
}

/** Returns the losses of AdamW steps on one batch, each before its step. */
export async function train(
  model: Adapted,
  inputs: LabelledInputs,
  { steps, lr, allocates = false }: Training,
): Promise<Float32Array> {
  const optimizer = new AdamW(model.trainableParameters(), { lr, weightDecay: 0 });
  const losses = new Float32Array(steps);
  for (let step = 0; step < steps; step++) {
    optimizer.zeroGrad();
    const loss = scope(() => {
      const value = model.loss(inputs);
      value.backward();
      return value.detach();
    });
    optimizer.step();
    if (allocates) await model.updateAndAllocate(step);
    losses[step] = await loss.item();
  }
  return losses;
}

/** Returns Python's tensors by name, without empty ones: tensors of layers whose ranks were all cut. */
export function unpack(tensors: PackedTensors): Results {
  const filled = Object.entries(tensors).filter(([, { data }]) => data !== "");
  return new Map(
    filled.map(([name, { data }]) => {
      const bytes = Uint8Array.from(Buffer.from(data, "base64"));
      return [name, new Float32Array(bytes.buffer)];
    }),
  );
}

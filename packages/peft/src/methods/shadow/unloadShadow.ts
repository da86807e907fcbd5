import { matmul, noGrad, scope, type Tensor, to } from "@lowrank/core";
import { type DecoderModel, Linear, Parameter, type UnaryModule } from "@lowrank/nn";
import { inputEmbedding } from "../../targets/embeddings.ts";
import type { ShadowParts } from "./shadowNetwork.ts";

/** A language model whose head and hidden states can be replaced. */
type Replaceable = DecoderModel & { readonly lm_head: UnaryModule };

/**
 * Builds the second decoder as a language model. A copy has its own tensors; its head is the product of the base
 * model's head and the projection. Otherwise the model shares all tensors with the adapter and the base model.
 */
export async function unloadShadow(
  { model, decoder, embedding, projection, config }: ShadowParts,
  copy: boolean,
): Promise<DecoderModel> {
  const head = model.lm_head;
  if (embedding !== null) decoder.model.setSubmodule(embedding, model.getSubmodule(embedding));
  if (config.taskType === "SEQ_CLS" || !head) {
    throw new Error(
      "unloadShadow returns language models, and the second decoder of a classifier has no language-model head; use an adapter with taskType CAUSAL_LM",
    );
  }
  const own = new Map(decoder.model.namedParameters());
  const buffers = new Map(decoder.model.namedBuffers());
  const parameter = (name: string): Parameter => {
    // The decoder's own head is not used.
    if (!name.startsWith(`${decoder.stack}.`)) return copied(noGrad(() => scope(() => headWeight(head, projection))));
    const value = own.get(name);
    if (value) return copy ? copied(value) : value;
    // The module copies the value of a buffer.
    const buffer = buffers.get(name);
    if (buffer) return copied(buffer);
    if (copy) throw new Error(`unloadShadow: ${name} is saved whole, so that no copy can be made; leave out copy`);
    // The module itself replaces this embedding below.
    return inputEmbedding(decoder.model)![1].weight;
  };
  const { model: made } = await model.secondDecoder({ config: decoder.config, head: copy, parameter });
  made.eval();
  if (copy) return made;
  const alone = made as Replaceable;
  const [place] = [...alone.namedModules()].find(([, module]) => module === alone.lm_head)!;
  alone.setSubmodule(place, head);
  if (embedding !== null) alone.setSubmodule(embedding, model.getSubmodule(embedding));
  if (projection) {
    const hidden = alone.hidden.bind(alone);
    const value: DecoderModel["hidden"] = (...inputs) =>
      scope(() => matmul(hidden(...inputs), projection, { transposeB: true }));
    Object.defineProperty(alone, "hidden", { value, configurable: true, writable: true });
  }
  return alone;
}

/** Returns a copy of a tensor as a parameter in f32. */
function copied(value: Tensor): Parameter {
  using data = scope(() => to(value.detach(), { dtype: "f32" }));
  return new Parameter(data);
}

/** Returns the weight [V, D] of a head for hidden states before the projection. */
function headWeight(head: UnaryModule, projection: Parameter | null): Tensor {
  if (!(head instanceof Linear) || head.bias) {
    throw new Error(
      `unloadShadow: the head is a ${head.constructor.name}, of which no copy can be made; leave out copy`,
    );
  }
  const weight = head.weight.detach();
  return projection ? matmul(to(weight, { dtype: "f32" }), projection.detach()) : weight;
}

import type { JsonFields } from "./jsonFields.ts";

/** The activation functions that models here know, by the names of Hugging Face's ACT2FN. */
export type Activation = (typeof activations)[number];

const activations = ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"] as const;

/** Reads an activation; "swish" is silu's other name. */
export function readActivation(fields: JsonFields, key: string, fallback: Activation): Activation {
  return fields.raw(key) === "swish" ? "silu" : fields.oneOf(key, activations, fallback);
}

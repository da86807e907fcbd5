import type { JsonFields } from "./jsonFields.ts";

/** The supported activation functions, named as in Hugging Face's ACT2FN. */
export type Activation = (typeof activations)[number];

const activations = ["silu", "gelu", "gelu_new", "gelu_pytorch_tanh", "relu"] as const;

/** Reads an activation function; "swish" is a synonym of "silu". */
export function readActivation(fields: JsonFields, key: string, fallback: Activation): Activation {
  return fields.raw(key) === "swish" ? "silu" : fields.oneOf(key, activations, fallback);
}

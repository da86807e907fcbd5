import { gelu, geluTanh, relu, silu, type Tensor } from "@lowrank/core";
import type { Activation } from "./config/activation.ts";

/** Applies an activation by its name in Hugging Face's configs. */
export function activate(name: Activation, x: Tensor): Tensor {
  switch (name) {
    case "silu":
      return silu(x);
    case "relu":
      return relu(x);
    case "gelu":
      return gelu(x);
    case "gelu_new":
    case "gelu_pytorch_tanh":
      return geluTanh(x);
  }
}

import { geglu, gelu, geluTanh, mul, relu, silu, swiglu, type Tensor } from "@lowrank/core";
import type { Activation } from "../config/architectureConfig.ts";

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

/** Returns activation(gate) * up, computed by one fused op if the activation has one. */
export function gatedUnit(name: Activation, gate: Tensor, up: Tensor): Tensor {
  switch (name) {
    case "silu":
      return swiglu(gate, up);
    case "gelu":
      return geglu(gate, up, {});
    case "gelu_new":
    case "gelu_pytorch_tanh":
      return geglu(gate, up, { approximate: "tanh" });
    case "relu":
      return mul(relu(gate), up);
  }
}

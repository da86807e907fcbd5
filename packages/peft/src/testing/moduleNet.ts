import { copyInto, noGrad, scope, type Tensor, tanh, tensor } from "@lowrank/core";
import { Conv1d, Conv2d, Linear, Module, MultiheadAttention, type Parameter, type UnaryModule } from "@lowrank/nn";

/** Returns the values of the k-th tensor that conformance/python/module_nets.py computes. */
export function wave(shape: readonly number[], k: number, scale = 0.4): Float32Array {
  const length = shape.reduce((product, n) => product * n, 1);
  return Float32Array.from({ length }, (_, i) => scale * Math.sin(0.37 * i * i + 1.7 * i + k + 1));
}

/** A layer of a `ModuleNet`, with torch's names of its arguments. */
export interface NetLayer {
  kind: "convolution1d" | "convolution2d" | "linear" | "attention";
  name: string;
  in_channels?: number;
  out_channels?: number;
  kernel_size?: number | readonly number[];
  stride?: number | readonly number[];
  padding?: number | readonly number[];
  dilation?: number | readonly number[];
  groups?: number;
  in_features?: number;
  out_features?: number;
  bias?: boolean;
  embed_dim?: number;
  num_heads?: number;
  batch_first?: boolean;
  add_bias_kv?: boolean;
  add_zero_attn?: boolean;
}

function layerOf({ kind, name: _, ...all }: NetLayer): Module {
  const { embed_dim, num_heads, batch_first: batchFirst, add_bias_kv, add_zero_attn, ...given } = all;
  if (kind === "attention") {
    const extra = { addBiasKv: add_bias_kv, addZeroAttn: add_zero_attn };
    return new MultiheadAttention(embed_dim!, num_heads!, { bias: given.bias, batchFirst, ...extra });
  }
  const { in_channels, out_channels, kernel_size, in_features, out_features, ...options } = given;
  if (kind === "linear") return new Linear(in_features!, out_features!, options);
  if (kind === "convolution1d")
    return new Conv1d(in_channels!, out_channels!, kernel_size as number, options as object);
  return new Conv2d(in_channels!, out_channels!, kernel_size as [number, number], options as object);
}

/** A network of layers in a row with tanh between them. It has the weights of the network in module_nets.py. */
export class ModuleNet extends Module {
  readonly #layers: readonly NetLayer[];

  constructor(layers: readonly NetLayer[]) {
    super();
    this.#layers = layers;
    for (const layer of layers) this.setChild(layer.name, layerOf(layer));
    const named = [...this.namedParameters()].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [k, [, parameter]] of named.entries()) fill(parameter, k);
  }

  forward(x: Tensor): Tensor {
    return scope(() => {
      let y = x;
      for (const [i, { kind, name }] of this.#layers.entries()) {
        if (i > 0) y = tanh(y);
        if (kind === "convolution1d" && y.ndim === 4) y = y.flatten(2);
        if (kind === "linear" && this.#layers[i - 1]?.kind.startsWith("convolution")) {
          y = y.flatten(2).transpose(1, 2);
        }
        if (kind === "attention") y = (this.getSubmodule(name) as MultiheadAttention).forward(y, y, y)[0];
        else y = (this.getSubmodule(name) as UnaryModule).forward(y);
      }
      return y;
    });
  }
}

function fill(parameter: Parameter, k: number): void {
  const { shape, size } = parameter;
  const scale = shape.length > 1 ? 1.5 / Math.sqrt(size / shape[0]) : 0.3;
  using values = tensor(wave(shape, 10 + k, scale), { shape, backend: parameter.storage.backend });
  noGrad(() => copyInto(parameter, values));
}

/** Returns the input of a `ModuleNet` with this shape. */
export function netInputs(shape: readonly number[]): Tensor {
  return tensor(wave(shape, 3, 1.1), { shape });
}

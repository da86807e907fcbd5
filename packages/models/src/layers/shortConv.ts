import { add, mul, reshape, slice, type Tensor } from "@lowrank/core";
import { widen } from "@lowrank/core/internal";
import { Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { ParameterPath } from "../model/parameters.ts";
import type { PromptedBatch } from "../model/promptedBatch.ts";

// B batch, T tokens, D hidden size, L taps.

/** Sizes of a short convolution. */
interface ShortConvSizes {
  readonly hiddenSize: number;
  /** Number of tokens that the convolution covers: the current token and those before it. */
  readonly taps: number;
  readonly bias: boolean;
}

/**
 * The filters of a `ShortConv`, which computes the convolution itself. No adapter can wrap them: PEFT's adapters change
 * no output there until they are merged, since transformers reads the weight too.
 */
class Taps extends Module {
  weight: Parameter;
  bias: Parameter | null;

  constructor(weight: Parameter, bias: Parameter | null) {
    super();
    this.weight = weight;
    this.bias = bias;
  }
}

/**
 * LFM2's short convolution, used instead of attention: a gated, causal depthwise convolution over the last `taps`
 * tokens.
 */
export class ShortConv extends Module {
  /** The filters, with weight [D, 1, L]. The last of the L taps is for the current token. */
  conv: Taps;
  in_proj: UnaryModule;
  out_proj: UnaryModule;

  constructor(path: ParameterPath, { hiddenSize, taps, bias }: ShortConvSizes) {
    super();
    const at = path.at("conv");
    const weight = at.parameter("weight", [hiddenSize, 1, taps]);
    this.conv = new Taps(weight, bias ? at.parameter("bias", [hiddenSize], { value: 0 }) : null);
    this.in_proj = path.linear("in_proj", hiddenSize, 3 * hiddenSize, bias);
    this.out_proj = path.linear("out_proj", hiddenSize, hiddenSize, bias);
  }

  /**
   * Returns the new hidden states [B, T, D]. The hidden states of padding tokens are set to zero first. `batch`
   * provides the states of earlier tokens. If the batch has a cache, they come from the cache of layer `layer`.
   */
  forward(x: Tensor, layer: number, batch: Pick<PromptedBatch, "earlier" | "unpadded">): Tensor {
    const projected = this.in_proj.forward(batch.unpadded(x));
    const D = projected.shape[2] / 3;
    const [before, after, rows] = [0, 1, 2].map((i) => slice(projected, { dim: 2, start: i * D, end: (i + 1) * D }));
    const gated = mul(before, rows);
    const { weight, bias } = this.conv;
    const wide = widen(weight);
    const taps = wide.shape[2];
    const tap = (k: number) => reshape(slice(wide, { dim: 2, start: taps - 1 - k, end: taps - k }), [D]);
    const sum = [gated, ...batch.earlier(layer, gated, taps - 1)]
      .map((row, k) => mul(row, tap(k)))
      .reduce((total, part) => add(total, part));
    return this.out_proj.forward(mul(after, bias ? add(sum, widen(bias)) : sum));
  }
}

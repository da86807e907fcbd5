import { formatShape, type Packing, type QuantType, to } from "@lowrank/core";
import { canQuantizeAs, type OptionKeys } from "@lowrank/core/internal";
import { Parameter } from "../../module/parameter.ts";
import { Linear } from "./linear.ts";

/**
 * Options of 4-bit quantisation, with the names and meanings of transformers' BitsAndBytesConfig.
 */
export interface Linear4bitOptions {
  /**
   * Table of the 16 values that a code can stand for: `bnb_4bit_quant_type`. Default "nf4", made for normally
   * distributed weights.
   */
  quantType?: QuantType;
  /** Number of consecutive elements that share a scale: a power of two from 32 to 4096. Default 64. */
  blockSize?: number;
  /**
   * True to quantise the scales too, which saves 0.37 bits per parameter: `bnb_4bit_use_double_quant`. Default false.
   */
  doubleQuant?: boolean;
}

/** The names of all options of `Linear4bitOptions`. */
export const linear4bitKeys: OptionKeys<Linear4bitOptions> = { quantType: true, blockSize: true, doubleQuant: true };

/**
 * y = x Wᵀ + b with a frozen weight W [out, in] in 4 bits, as bitsandbytes' Linear4bit. `quantizeLinear` makes it from
 * a Linear or from a Conv1D, whose weight is transposed first. Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
 */
export class Linear4bit extends Linear {
  /**
   * Creates a layer from a packed (4-bit) weight. Throws if the weight is not packed; use `quantizeLinear` to quantise
   * an existing layer. This class does not import the quantisation code, so that web pages that only load packed
   * weights need not download it.
   */
  constructor(weight: Parameter, bias: Parameter | null = null) {
    if (typeof weight === "number") {
      throw new Error(`Linear4bit: weight is ${weight}; make a fresh layer as quantizeLinear(new Linear(64, 8))`);
    }
    super(weight, bias);
    if (weight.packing === undefined || weight.ndim !== 2) {
      throw new Error(
        `Linear4bit: the weight is ${weight.dtype} ${formatShape(weight.shape)}, not nf4 or fp4 [out,in]; make the layer with quantizeLinear`,
      );
    }
  }

  get quantType(): QuantType {
    return this.weight.dtype as QuantType;
  }

  get blockSize(): number {
    return (this.weight.packing as Packing).blockSize;
  }

  get doubleQuant(): boolean {
    return (this.weight.packing as Packing).nested;
  }

  /** Returns a Linear with the dequantised weight; the bias is shared. */
  dequantize(dtype: "f32" | "f16" | "bf16" = "f32"): Linear {
    using weight = to(this.weight.detach(), { dtype });
    const layer = new Linear(new Parameter(weight, { requiresGrad: false }), this.bias);
    layer.weight.precision = this.weight.precision;
    layer.training = this.training;
    return layer;
  }
}

/** Returns the linear layer of a weight [out, in]: a Linear4bit for nf4 and fp4, else a Linear. */
export function linearLayer(weight: Parameter, bias: Parameter | null = null): Linear {
  return canQuantizeAs(weight.dtype) ? new Linear4bit(weight, bias) : new Linear(weight, bias);
}

import { type Packing, unpackAll } from "../../backends/packedFormat.ts";
import { defineOp, expectDType, type Op, type Planned } from "../../engine/op.ts";
import { OptionError } from "../../internal/optionError.ts";
import type { QuantType } from "../../layout/dtype.ts";
import { formatShape, sizeOf } from "../../layout/shape.ts";
import { type FourBitLayout, fourBitLayout } from "../../packed/blockwise/fourBitLayout.ts";
import { packFourBit } from "../../packed/blockwise/packFourBit.ts";
import { packedFormat } from "../../packed/index.ts";

/** Options of `quantize4bit`. */
export interface Quantize4bitParams {
  /** The 4-bit dtype of the result. Default nf4. */
  readonly quantType?: QuantType;
  /** Number of consecutive elements that share a scale: a power of two from 32 to 4096. Default 64. */
  readonly blockSize?: number;
  /** True to quantise the scales too, to 8 bits. Default false. */
  readonly doubleQuant?: boolean;
}

const packingOf = ({ blockSize = 64, doubleQuant = false }: Quantize4bitParams): Packing => {
  return { blockSize, nested: doubleQuant };
};

/**
 * Returns the error for a block that holds a NaN or an infinity. If `block` is -1, the error is for the mean of the
 * scales, which overflows if the weight's largest magnitudes are near the maximum of f32.
 */
function fault(block: number, offset: number, { blockSize }: Packing): Error {
  if (block < 0) {
    return new OptionError("quantize4bit", "doubleQuant", true, (named) => {
      return `the mean of the scales is ${offset}; such a weight can be quantised without ${named("doubleQuant")}`;
    });
  }
  const [first, last] = [block * blockSize, (block + 1) * blockSize - 1];
  return new Error(
    `quantize4bit: the elements ${first} to ${last} hold a NaN or an infinity; the weight seems to be broken`,
  );
}

/**
 * Quantises a float tensor of any shape to 4-bit codes, with one scale per block of the flattened elements. `to`
 * dequantises the result. The result equals the result of bitsandbytes' quantize_4bit on a CPU, except that with
 * `doubleQuant` each scale always gets its nearest 8-bit code. No gradient flows. Throws for NaN and infinities.
 * Dettmers et al. 2023, https://arxiv.org/abs/2305.14314
 */
export const quantize4bit: Op<1, Quantize4bitParams, 1, Planned<Quantize4bitParams, FourBitLayout>> = defineOp({
  name: "quantize4bit",
  arity: 1,
  plan: ([{ shape }], _outputs, params) => fourBitLayout(sizeOf(shape), packingOf(params)),
  options: { quantType: true, blockSize: true, doubleQuant: true },
  shape: (inputs, params) => {
    expectDType("quantize4bit", inputs, 0, "f32", "f16", "bf16");
    const [{ shape }] = inputs;
    const { quantType = "nf4" } = params;
    if (quantType !== "nf4" && quantType !== "fp4") {
      throw new Error(`quantize4bit: quantType is ${quantType}; use nf4 or fp4`);
    }
    if (shape.includes(0)) throw new Error(`quantize4bit: the weight ${formatShape(shape)} has no elements`);
    const spec = { shape, dtype: quantType, packing: packingOf(params) };
    packedFormat(quantType).check("quantize4bit", spec);
    return spec;
  },
  ref: ([x], [out], params) => {
    const packing = packingOf(params);
    const values = unpackAll(x);
    const broken = values.findIndex((v) => !Number.isFinite(v));
    if (broken >= 0) throw fault(Math.floor(broken / packing.blockSize), values[broken], packing);
    const { codebook } = packedFormat(out.dtype as QuantType);
    const offset = packFourBit(codebook, values, packing, out.data as Uint8Array);
    if (!Number.isFinite(offset)) throw fault(-1, offset, packing);
  },
  fault: (block, offset, _inputs, params) => fault(block, offset, packingOf(params)),
});

import type { TensorSpec } from "../../backends/backend.ts";
import { scalarLike } from "../../creation/create.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape, sameShape, sizeOf } from "../../layout/shape.ts";
import { encodeBlocks } from "../../packed/blockwise/eightBit.ts";
import { compare } from "../binary/compare.ts";
import { decodeInBlocks, encodeInBlocks } from "../optimizers/eightBitComposed.ts";
import { inRange } from "../shared/inRange.ts";
import { abs } from "../unary/abs.ts";
import { to } from "../unary/to.ts";

/** Parameters of blockwise quantisation. */
export interface BlockwiseParams {
  readonly blockSize: number;
}

/** Checks the block size and the code table. Returns the number of blocks of the flattened tensor. */
function blocksOf(op: string, { shape }: TensorSpec, table: TensorSpec, { blockSize }: BlockwiseParams): number {
  if (!Number.isSafeInteger(blockSize) || blockSize < 1) {
    throw new Error(`${op}: blockSize is ${blockSize}; use a whole number of at least 1`);
  }
  if (!sameShape(table.shape, [256])) {
    throw new Error(
      `${op}: the code ${formatShape(table.shape)} must be [256]: the value of each 8-bit code, ascending`,
    );
  }
  return Math.ceil(sizeOf(shape) / blockSize);
}

/** The largest finite f32. */
const largestFloat = (2 - 2 ** -23) * 2 ** 127;

function brokenBlock(block: number, { blockSize }: BlockwiseParams): Error {
  const [first, last] = [block * blockSize, (block + 1) * blockSize - 1];
  return new Error(`quantizeBlockwise: the elements ${first} to ${last} hold a NaN or an infinity`);
}

/**
 * Quantises x (f32) to 8 bits. `code`, f32 [256], is the ascending table of values that the codes stand for. Returns
 * the codes (u8, in x's shape), each the index of the entry nearest to x / scale, and the scales, f32 [blocks]. The
 * scale of a block is its largest magnitude. Of two equally near entries the lower one is taken. In a block of zeros
 * all codes are 0, as in bitsandbytes' CPU backend. Dettmers et al. 2022, https://arxiv.org/abs/2110.02861
 */
export const quantizeBlockwise: Op<2, BlockwiseParams, 2> = defineOp({
  name: "quantizeBlockwise",
  arity: 2,
  options: { blockSize: true },
  shape: (inputs, params) => {
    for (let i = 0; i < 2; i++) expectDType("quantizeBlockwise", inputs, i, "f32");
    const [x, code] = inputs;
    return [
      { shape: x.shape, dtype: "u8" },
      { shape: [blocksOf("quantizeBlockwise", x, code, params)], dtype: "f32" },
    ];
  },
  ref: ([x, code], [q, absmax], params) => {
    const broken = x.data.findIndex((v) => !Number.isFinite(v));
    if (broken >= 0) throw brokenBlock(Math.floor(broken / params.blockSize), params);
    encodeBlocks(x.data as Float32Array, code.data, params.blockSize, q.data, absmax.data);
  },
  compose: ([x, code], { blockSize }) => {
    const finite = compare(abs(x), scalarLike(x, largestFloat), { relation: "le" });
    const error = (_value: number, at: number) => brokenBlock(Math.floor(at / blockSize), { blockSize });
    inRange(to(finite, { dtype: "i32" }), { low: 1, error });
    const { codes, scales } = encodeInBlocks(x, code, blockSize, false);
    return [codes, scales];
  },
  fault: (block, _value, _inputs, params) => brokenBlock(block, params),
});

/**
 * Reverses `quantizeBlockwise`: from codes q (u8), scales absmax [blocks] and the table code [256], returns code[q]
 * times the scale of its block.
 */
export const dequantizeBlockwise: Op<3, BlockwiseParams> = defineOp({
  name: "dequantizeBlockwise",
  arity: 3,
  options: { blockSize: true },
  shape: (inputs, params) => {
    expectDType("dequantizeBlockwise", inputs, 0, "u8");
    for (let i = 1; i < 3; i++) expectDType("dequantizeBlockwise", inputs, i, "f32");
    const [q, absmax, code] = inputs;
    const blocks = blocksOf("dequantizeBlockwise", q, code, params);
    if (!sameShape(absmax.shape, [blocks])) {
      throw new Error(
        `dequantizeBlockwise: ${formatShape(q.shape)} in blocks of ${params.blockSize} has ${blocks} scales, got ${formatShape(absmax.shape)}`,
      );
    }
    return { shape: q.shape, dtype: "f32" };
  },
  ref: ([q, absmax, code], [out], { blockSize }) => {
    for (let i = 0; i < q.size; i++) out.data[i] = code.data[q.data[i]] * absmax.data[Math.floor(i / blockSize)];
  },
  compose: ([q, absmax, code], { blockSize }) => decodeInBlocks(q, absmax, code, blockSize),
});

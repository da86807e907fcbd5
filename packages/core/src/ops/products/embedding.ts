import { unpackAll } from "../../backends/packedFormat.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import type { Tensor } from "../../engine/tensor.ts";
import { isPacked, type TypedArray } from "../../layout/dtype.ts";
import { formatShape, sameShape } from "../../layout/shape.ts";
import { indexAdd, indexSelect } from "../shapes/indexSelect.ts";
import { reshape } from "../shapes/reshape.ts";
import { inRange } from "../shared/inRange.ts";
import { toDTypeOf, widen } from "../unary/to.ts";
import { expectWeight } from "./weight.ts";

function checkIds(ids: TypedArray, vocab: number): void {
  for (let i = 0; i < ids.length; i++) if (ids[i] < 0 || ids[i] >= vocab) throw badId(ids[i], i, vocab);
}

function badId(id: number, at: number, vocab: number): Error {
  return new Error(
    `embedding: id ${id} at position ${at} is outside the table of ${vocab} rows (0..${vocab - 1}); does the tokenizer belong to this model?`,
  );
}

/** Returns the ids flattened to one dimension. Throws for an id outside 0..vocab-1. */
function flatIds(ids: Tensor, vocab: number): Tensor {
  const error = (id: number, at: number) => badId(id, at, vocab);
  return inRange(reshape(ids, { shape: [ids.size] }), { low: 0, high: vocab - 1, error });
}

/**
 * Looks up rows of weight [V, D] by ids [...] (i32), as [..., D] in the weight's dtype, or f32 if it is packed. Throws
 * for an id outside 0..V-1.
 */
export const embedding: Op<2> = defineOp({
  name: "embedding",
  arity: 2,
  packed: [0],
  shape: (inputs) => {
    expectWeight("embedding", inputs, 0);
    expectDType("embedding", inputs, 1, "i32");
    const [weight, ids] = inputs;
    if (weight.shape.length !== 2) {
      throw new Error(`embedding: the weight ${formatShape(weight.shape)} must be [vocabulary, width]`);
    }
    return { shape: [...ids.shape, weight.shape[1]], dtype: isPacked(weight.dtype) ? "f32" : weight.dtype };
  },
  ref: ([weight, ids], [out]) => {
    const [vocab, width] = weight.shape;
    checkIds(ids.data, vocab);
    const table = isPacked(weight.dtype) ? unpackAll(weight) : weight.data;
    for (let i = 0; i < ids.size; i++) {
      for (let d = 0; d < width; d++) out.data[i * width + d] = table[ids.data[i] * width + d];
    }
  },
  compose: ([weight, ids]) => {
    const [vocab, width] = weight.shape;
    const rows = indexSelect(isPacked(weight.dtype) ? widen(weight) : weight, flatIds(ids, vocab), { dim: 0 });
    return reshape(rows, { shape: [...ids.shape, width] });
  },
  fault: (at, id, [weight]) => badId(id, at, weight.shape[0]),
  saves: { inputs: [1] },
  vjp: ({ grads: [dy], inputs: [, ids], inputSpecs: [weight] }) => {
    return [toDTypeOf(embeddingBackward(widen(dy), ids, { vocab: weight.shape[0] }), weight), null];
  },
});

/** The gradient of the embedding's weight [vocab, D]: adds each row of dy [..., D] to the row that its id selects. */
export const embeddingBackward: Op<2, { vocab: number }> = defineOp({
  name: "embeddingBackward",
  arity: 2,
  shape: (inputs, { vocab }) => {
    expectDType("embeddingBackward", inputs, 0, "f32");
    expectDType("embeddingBackward", inputs, 1, "i32");
    const [dy, ids] = inputs;
    const width = dy.shape[dy.shape.length - 1];
    if (!sameShape([...ids.shape, width], dy.shape)) {
      throw new Error(
        `embeddingBackward: gradient ${formatShape(dy.shape)} does not fit ids ${formatShape(ids.shape)}`,
      );
    }
    return { shape: [vocab, width], dtype: "f32" };
  },
  ref: ([dy, ids], [out], { vocab }) => {
    const width = out.shape[1];
    checkIds(ids.data, vocab);
    out.data.fill(0);
    for (let i = 0; i < ids.size; i++) {
      for (let d = 0; d < width; d++) out.data[ids.data[i] * width + d] += dy.data[i * width + d];
    }
  },
  compose: ([dy, ids], { vocab }) => {
    const rows = reshape(dy, { shape: [ids.size, dy.shape[dy.shape.length - 1]] });
    return indexAdd(rows, flatIds(ids, vocab), { dim: 0, size: vocab });
  },
  fault: (at, id, _inputs, { vocab }) => badId(id, at, vocab),
  saves: { inputs: [1] },
  vjp: ({ grads: [dw], inputs: [, ids] }) => [embedding(dw, ids), null],
});

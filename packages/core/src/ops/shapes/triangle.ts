import { scalarLike } from "../../creation/create.ts";
import { tensor } from "../../creation/makeTensor.ts";
import { defineOp, expectDType, type Op } from "../../engine/op.ts";
import { formatShape } from "../../layout/shape.ts";
import { where } from "../binary/where.ts";

/** Parameters of `triangle`. */
export interface TriangleParams {
  /** The triangle to keep. */
  readonly part: "lower" | "upper";
  /**
   * The outermost diagonal to keep: the last one of the lower triangle, or the first one of the upper triangle. 0 is
   * the main diagonal; positive ones are above it.
   */
  readonly diagonal: number;
}

function isKept(part: TriangleParams["part"], diagonal: number, row: number, column: number): boolean {
  return part === "lower" ? column - row <= diagonal : column - row >= diagonal;
}

/** Returns the lower or upper triangle of each matrix in the last two dimensions, with zeros elsewhere. */
export const triangle: Op<1, TriangleParams> = defineOp({
  name: "triangle",
  arity: 1,
  options: { part: true, diagonal: true },
  shape: (inputs) => {
    expectDType("triangle", inputs, 0, "f32");
    const { shape } = inputs[0];
    if (shape.length < 2) throw new Error(`triangle: ${formatShape(shape)} must have at least 2 dimensions`);
    return { shape, dtype: "f32" };
  },
  ref: ([x], [out], { part, diagonal }) => {
    const [rows, columns] = x.shape.slice(-2);
    for (let i = 0; i < x.size; i++) {
      out.data[i] = isKept(part, diagonal, Math.floor(i / columns) % rows, i % columns) ? x.data[i] : 0;
    }
  },
  compose: ([x], { part, diagonal }) => {
    const shape = x.shape.slice(-2);
    const mask = Uint8Array.from({ length: shape[0] * shape[1] }, (_, i) =>
      Number(isKept(part, diagonal, Math.floor(i / shape[1]), i % shape[1])),
    );
    return where(tensor(mask, { shape, backend: x.storage.backend }), x, scalarLike(x, 0));
  },
  vjp: ({ grads: [dy], params }) => [triangle(dy, params)],
});

import { defineOp, expectDType, type Op } from "../op.ts";
import { formatShape } from "../shape.ts";

/** Parameters of `triangle`. */
export interface TriangleParams {
  /** The part that is kept. */
  readonly part: "lower" | "upper";
  /** The diagonal that still belongs to it: 0 the main one, positive above. */
  readonly diagonal: number;
}

/** The lower or upper triangle of each matrix in the last two dimensions, zeros elsewhere. */
export const triangle: Op<1, TriangleParams> = defineOp({
  name: "triangle",
  shape: (inputs) => {
    expectDType("triangle", inputs, 0, "f32");
    const { shape } = inputs[0];
    if (shape.length < 2) throw new Error(`triangle: ${formatShape(shape)} must have at least 2 dimensions`);
    return { shape, dtype: "f32" };
  },
  ref: ([x], [out], { part, diagonal }) => {
    const [rows, columns] = x.shape.slice(-2);
    for (let i = 0; i < x.size; i++) {
      const offset = (i % columns) - (Math.floor(i / columns) % rows);
      out.data[i] = (part === "lower" ? offset <= diagonal : offset >= diagonal) ? x.data[i] : 0;
    }
  },
  vjp: ({ grads: [dy], params }) => [triangle(dy, params)],
});

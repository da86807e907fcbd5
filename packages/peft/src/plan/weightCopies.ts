import { type MatmulPrecision, type MetaBackend, sizeOf, type TensorRef } from "@lowrank/core";
import { productPrecision } from "@lowrank/core/internal";

/**
 * Minimum number of rows of x, and of the weight's sides, for a product on quantised copies in the WebAssembly backend.
 */
const [leastRows, leastSide] = [8, 128];

/** Elements that share a scale in 8-bit codes. Rows must be a multiple of it. */
const byteBlock = 32;

/** Bytes per element of the quantised copies, with scales: 14-bit and 7-bit codes. */
const [shortBytes, byteBytes] = [2, 1.25];

/** A product with a weight: its number of rows, their length, and the weight's precision. */
interface WeightProduct {
  readonly rows: number;
  readonly inner: number;
  readonly weight: TensorRef;
  readonly precision: MatmulPrecision;
}

/** The operands of ops that multiply by a frozen weight. */
const operands: Readonly<Record<string, (inputs: readonly TensorRef[]) => readonly [x: TensorRef, w: TensorRef]>> = {
  matmul: ([a, b]) => [a, b],
  loraLinear: ([x, w]) => [x, w],
};

/**
 * The quantised copies of frozen weights that the WebAssembly backend keeps for products of `precision` "high" and
 * "medium". See the table in docs/design/precision.md. With "medium" it may keep fewer, if a trial chooses other codes.
 */
export class WeightCopies {
  readonly #bytes = new Map<object, Map<string, number>>();

  /** Runs `fn` and records the copies that its products create. */
  during<T>(backend: MetaBackend, fn: () => T): T {
    const { run } = backend;
    backend.run = (op, inputs, outputs, params) => {
      const pair = operands[op.name]?.(inputs);
      if (pair) this.#note(productOf(...pair));
      run(op, inputs, outputs, params);
    };
    try {
      return fn();
    } finally {
      backend.run = run;
    }
  }

  /** Bytes of all recorded copies. */
  get bytes(): number {
    const each = [...this.#bytes.values()].flatMap((copies) => [...copies.values()]);
    return each.reduce((sum, bytes) => sum + bytes, 0);
  }

  #note(product: WeightProduct): void {
    const copy = copyOf(product);
    if (!copy) return;
    const { buffer } = product.weight;
    const copies = this.#bytes.get(buffer) ?? new Map<string, number>();
    this.#bytes.set(buffer, copies.set(copy.name, copy.bytes));
  }
}

function productOf(x: TensorRef, weight: TensorRef): WeightProduct {
  const inner = x.shape[x.shape.length - 1];
  const precision = productPrecision(weight.buffer.precision ?? "highest");
  return { rows: sizeOf(x.shape) / inner, inner, weight, precision };
}

/** Returns the copy that a product creates. Null for f32 products, and for packed weights that are used as stored. */
function copyOf({ rows, inner, weight: { shape, dtype }, precision }: WeightProduct) {
  if (precision === "highest" || rows < leastRows || Math.min(...shape) < leastSide) return null;
  const size = sizeOf(shape);
  if (precision === "medium" && inner % byteBlock === 0) {
    return { name: "7 bits", bytes: byteBytes * size };
  }
  return dtype === "f32" ? { name: "14 bits", bytes: shortBytes * size } : null;
}

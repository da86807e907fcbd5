import { type MatmulPrecision, type MetaBackend, sizeOf, type TensorRef } from "@lowrank/core";
import { productPrecision } from "@lowrank/core/internal";

/**
 * Minimum sizes for which the WebAssembly backend uses quantised copies of a weight. The input must have at least
 * `leastRows` rows, and both dimensions of the weight must be at least `leastSide`.
 */
const [leastRows, leastSide] = [8, 128];

/**
 * Number of consecutive elements of a weight row that share one scale in 8-bit quantisation. The row length must be a
 * multiple of 32.
 */
const byteBlock = 32;

/**
 * Bytes per weight element of a quantised copy, including its scales: `shortBytes` with 14-bit codes, `byteBytes` with
 * 7-bit codes.
 */
const [shortBytes, byteBytes] = [2, 1.25];

/** A product of x and a weight: the number of rows of x, their length, and the precision. */
interface WeightProduct {
  readonly rows: number;
  readonly inner: number;
  readonly weight: TensorRef;
  readonly precision: MatmulPrecision;
}

/** For each op that multiplies by a frozen weight, a function that selects x and the weight from the op's inputs. */
const operands: Readonly<Record<string, (inputs: readonly TensorRef[]) => readonly [x: TensorRef, w: TensorRef]>> = {
  matmul: ([a, b]) => [a, b],
  loraLinear: ([x, w]) => [x, w],
};

/**
 * Sizes of the quantised weight copies that the WebAssembly backend keeps for products with `precision` "high" or
 * "medium". See the table in docs/design/precision.md. With "medium", the sizes are an upper bound: the backend
 * measures which kernel is faster, and may choose one that needs no copy.
 */
export class WeightCopies {
  readonly #bytes = new Map<object, Map<string, number>>();

  /**
   * Runs `fn` and records the weight copies that the WebAssembly backend would create for the matrix products in `fn`.
   */
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

  /** Total bytes of all recorded copies. */
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

/**
 * Returns name and bytes of the weight copy that a product needs. Null for f32 products, and for packed weights that
 * are used as they are stored.
 */
function copyOf({ rows, inner, weight: { shape, dtype }, precision }: WeightProduct) {
  if (precision === "highest" || rows < leastRows || Math.min(...shape) < leastSide) return null;
  const size = sizeOf(shape);
  if (precision === "medium" && inner % byteBlock === 0) {
    return { name: "7 bits", bytes: byteBytes * size };
  }
  return dtype === "f32" ? { name: "14 bits", bytes: shortBytes * size } : null;
}

import { type MatmulPrecision, type MetaBackend, productPrecision, sizeOf, type TensorRef } from "@lowrank/core";

/** Sides of a product from which the WebAssembly backend computes it in codes. */
const [leastRows, leastSide] = [8, 128];

/** Numbers that share a scale in codes of bytes: a row of a product is whole blocks of them. */
const byteBlock = 32;

/** Bytes of the codes of a number, with their scales: 14 bits, and 7 bits. */
const [shortBytes, byteBytes] = [2, 1.25];

/** A product with a weight: its rows, the length of each, and the weight's precision there. */
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
 * The codes that the WebAssembly backend keeps beside frozen weights, for products of `precision`
 * "high" and "medium": docs/design/precision.md has the table. Of "medium" it may keep fewer, where
 * a trial chooses other codes.
 */
export class WeightCopies {
  readonly #bytes = new Map<object, Map<string, number>>();

  /** Runs `fn` and adds the copies that its products come to keep. */
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

  /** The bytes of all copies so far. */
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

/** Returns the copy that a product makes; null for products in f32, and in codes as stored. */
function copyOf({ rows, inner, weight: { shape, dtype }, precision }: WeightProduct) {
  if (precision === "highest" || rows < leastRows || Math.min(...shape) < leastSide) return null;
  const size = sizeOf(shape);
  if (precision === "medium" && inner % byteBlock === 0) {
    return { name: "7 bits", bytes: byteBytes * size };
  }
  return dtype === "f32" ? { name: "14 bits", bytes: shortBytes * size } : null;
}

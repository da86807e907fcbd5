import { tensor } from "../create.ts";
import { refuseSurplus } from "../op.ts";
import { formatShape } from "../shape.ts";
import type { Tensor } from "../tensor.ts";
import { add } from "./add.ts";
import { indexAdd, indexSelect } from "./indexSelect.ts";
import { matmul } from "./matmul.ts";
import { mul } from "./mul.ts";

/** Parameters of `batchedLora`: the adapter of each sequence, and the scaling. */
export interface BatchedLoraParams {
  /** For each row of the batch, an index into A and B, or -1 for the base alone. */
  readonly adapterIndices: readonly number[];
  /** The factor of the low-rank part, for all adapters or one for each. */
  readonly scaling: number | readonly number[];
}

function check(x: Tensor, w: Tensor, a: Tensor, b: Tensor, { adapterIndices, scaling }: BatchedLoraParams): void {
  const shapes = `W ${formatShape(w.shape)} [out,in], A ${formatShape(a.shape)} [n,r,in], B ${formatShape(b.shape)} [n,out,r]`;
  const ranks = a.ndim === 3 && b.ndim === 3 && w.ndim === 2 && x.ndim === 3;
  if (!ranks || a.shape[0] !== b.shape[0] || a.shape[1] !== b.shape[2] || a.shape[2] !== w.shape[1]) {
    throw new Error(`batchedLora: x ${formatShape(x.shape)} [N,T,in], ${shapes} do not fit`);
  }
  if (b.shape[1] !== w.shape[0]) throw new Error(`batchedLora: ${shapes} do not fit: W and B differ in their outputs`);
  if (adapterIndices.length !== x.shape[0]) {
    throw new Error(`batchedLora: ${adapterIndices.length} adapterIndices for a batch of ${x.shape[0]}`);
  }
  for (const index of adapterIndices) {
    if (!(Number.isInteger(index) && index >= -1 && index < a.shape[0])) {
      throw new Error(`batchedLora: adapter index ${index} is not -1 (base) or 0..${a.shape[0] - 1}`);
    }
  }
  if (typeof scaling !== "number" && scaling.length !== a.shape[0]) {
    throw new Error(`batchedLora: ${scaling.length} scalings for ${a.shape[0]} adapters`);
  }
}

const pick = (t: Tensor, indices: Tensor): Tensor => indexSelect(t, indices, { dim: 0 });

/**
 * x Wᵀ + s (x Aᵢᵀ) Bᵢᵀ with an adapter of its own for each sequence: x [N, T, in], W [out, in], A
 * [n, r, in], B [n, out, r]. Adapters of lower rank are filled up with zeros by the caller.
 */
export function batchedLora(x: Tensor, w: Tensor, a: Tensor, b: Tensor, params: BatchedLoraParams): Tensor {
  refuseSurplus("batchedLora", 4, arguments);
  check(x, w, a, b, params);
  const { adapterIndices, scaling } = params;
  const base = matmul(x, w, { transposeB: true });
  const rows = adapterIndices.flatMap((index, row) => (index < 0 ? [] : [row]));
  if (rows.length === 0) return base;
  const { backend } = x.storage;
  const used = rows.map((row) => adapterIndices[row]);
  const adapters = tensor(used, { dtype: "i32", backend });
  const factors = used.map((index) => (typeof scaling === "number" ? scaling : scaling[index]));
  const some = rows.length < x.shape[0] ? tensor(rows, { dtype: "i32", backend }) : null;
  const low = matmul(some ? pick(x, some) : x, pick(a, adapters), { transposeB: true });
  const scaled = mul(low, tensor(factors, { shape: [rows.length, 1, 1], backend }));
  const delta = matmul(scaled, pick(b, adapters), { transposeB: true });
  return add(base, some ? indexAdd(delta, some, { dim: 0, size: x.shape[0] }) : delta);
}

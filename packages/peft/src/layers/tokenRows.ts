import { embedding, indexSelect, keep, matmul, noGrad, scope, type Tensor, tensor, to, where } from "@lowrank/core";
import { type Embedding, Parameter, type UnaryModule } from "@lowrank/nn";
import { stopAtPadding } from "@lowrank/nn/internal";

/** The rows of an embedding table that an adapter retrains. */
export interface TokenRows {
  /** The new values of the n retrained rows, [n, dim]. */
  delta: Parameter;
  /** For each token id, the index of its row in `delta`; 0 if the token is not retrained. i32 [vocabulary]. */
  position: Tensor;
  /** For each token id, 1 if its embedding is retrained, otherwise 0: u8 [vocabulary]. */
  flag: Tensor;
  /** The ids of the retrained tokens, in the order of `delta`. */
  tokens: readonly number[];
}

/**
 * Creates trainable copies of the table rows `indices`. Throws for an index that is out of range or repeated; the
 * message contains the layer's `path` and `option`, the name of the option with the indices. `start` creates other
 * initial values.
 */
export function tokenRows(
  weight: Parameter,
  indices: readonly number[],
  path: string,
  { option = "trainableTokenIndices", start }: { option?: string; start?: (shape: readonly number[]) => Tensor } = {},
): TokenRows {
  const [vocabulary, dim] = weight.shape;
  const position = new Int32Array(vocabulary);
  const flag = new Uint8Array(vocabulary);
  for (const [i, token] of indices.entries()) {
    if (!Number.isInteger(token) || token < 0 || token >= vocabulary || flag[token]) {
      throw new Error(
        `${option}: ${token} for ${path} is ${flag[token] ? "given twice" : `outside of 0..${vocabulary - 1}`}`,
      );
    }
    position[token] = i;
    flag[token] = 1;
  }
  const { backend } = weight.storage;
  const copied = () => indexSelect(weight, tensor(Int32Array.from(indices), { backend }), { dim: 0 });
  const delta = noGrad(() => scope(() => to(start ? start([indices.length, dim]) : copied(), { dtype: "f32" })));
  const rows = {
    delta: new Parameter(delta),
    position: keep(tensor(position, { backend })),
    flag: keep(tensor(flag, { backend })),
    tokens: indices,
  };
  delta.dispose();
  return rows;
}

/** Returns the output of an embedding for token ids, with the retrained rows. */
export function lookUpRows(base: UnaryModule, ids: Tensor, { delta, position, flag }: TokenRows): Tensor {
  const flat = ids.reshape([-1]);
  const isNew = indexSelect(flag, flat, { dim: 0 }).reshape([...ids.shape, 1]);
  const fresh = embedding(delta, indexSelect(position, flat, { dim: 0 }).reshape(ids.shape));
  const { paddingIdx } = base as Embedding;
  const trained = stopAtPadding(fresh, ids.reshape([...ids.shape, 1]), paddingIdx);
  return where(isNew, trained, base.forward(ids));
}

/** Returns the output of a linear layer for x, whose weight has the retrained rows. */
export function scoreRows(base: UnaryModule, x: Tensor, { delta, position, flag }: TokenRows): Tensor {
  const fresh = matmul(x, delta, { transposeB: true });
  return where(flag, indexSelect(fresh, position, { dim: x.ndim - 1 }), base.forward(x));
}

/** Returns a table [vocabulary, dim] in which the retrained rows replace the original ones. */
export function replaceRows(table: Tensor, { delta, position, flag }: TokenRows): Tensor {
  return where(flag.reshape([-1, 1]), indexSelect(delta, position, { dim: 0 }), table);
}

import { embedding, indexSelect, keep, matmul, noGrad, scope, type Tensor, tensor, to, where } from "@lowrank/core";
import { type Embedding, type Linear, Module, Parameter, type UnaryModule } from "@lowrank/nn";
import { stopAtPadding } from "@lowrank/nn/internal";
import type { ActiveAdapter } from "./activeAdapter.ts";
import { clear, free, place } from "./adapterSlot.ts";
import { toF32 } from "./tunerLayer.ts";
import type { MergeStep, Wrapper } from "./wrapper.ts";

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
 * The retrained rows of one adapter in this module. `owners` lists the modules that share the embedding table: this
 * module and those tied to it. Only one of these modules saves and merges the rows; in the others, `owners` is empty.
 */
interface AdapterRows {
  rows: TokenRows;
  owners: readonly Module[];
}

/** Creates trainable copies of the table rows `indices`. Throws for an index that is out of range or repeated. */
export function tokenRows(weight: Parameter, indices: readonly number[], path: string): TokenRows {
  const [vocabulary] = weight.shape;
  const position = new Int32Array(vocabulary);
  const flag = new Uint8Array(vocabulary);
  for (const [i, token] of indices.entries()) {
    if (!Number.isInteger(token) || token < 0 || token >= vocabulary || flag[token]) {
      throw new Error(
        `trainableTokenIndices: ${token} for ${path} is ${flag[token] ? "given twice" : `outside of 0..${vocabulary - 1}`}`,
      );
    }
    position[token] = i;
    flag[token] = 1;
  }
  const { backend } = weight.storage;
  const delta = noGrad(() =>
    scope(() => to(indexSelect(weight, tensor(Int32Array.from(indices), { backend }), { dim: 0 }), { dtype: "f32" })),
  );
  const rows = {
    delta: new Parameter(delta),
    position: keep(tensor(position, { backend })),
    flag: keep(tensor(flag, { backend })),
    tokens: indices,
  };
  delta.dispose();
  return rows;
}

/**
 * A module that only holds the original layer, as `base_layer`. `TrainableTokens` stores it under the name
 * `token_adapter`, so that parameter names equal PEFT's.
 */
class TokenAdapter extends Module {
  base_layer: UnaryModule;

  constructor(base: UnaryModule) {
    super();
    this.base_layer = base;
  }
}

/**
 * Wraps an embedding, or an output layer tied to it, and retrains the embeddings of some tokens
 * (`trainable_token_indices`).
 */
export class TrainableTokens extends Module implements Wrapper {
  token_adapter: Module;
  readonly #base: UnaryModule;
  readonly #kind: "embedding" | "linear";
  readonly #active: ActiveAdapter;
  readonly #rowsOfAdapters = new Map<string, AdapterRows>();

  constructor(base: UnaryModule, kind: "embedding" | "linear", active: ActiveAdapter) {
    super();
    this.token_adapter = new TokenAdapter(base);
    this.#base = base;
    this.#kind = kind;
    this.#active = active;
  }

  get wrapped(): UnaryModule {
    return this.#base;
  }

  has(adapter: string): boolean {
    return this.#rowsOfAdapters.has(adapter);
  }

  add(adapter: string, rows: TokenRows, owners: readonly Module[]): void {
    this.#rowsOfAdapters.set(adapter, { rows, owners });
    place(this.token_adapter, "trainable_tokens_delta", adapter, rows.delta);
  }

  remove(adapter: string): void {
    const adapterRows = this.#rowsOfAdapters.get(adapter);
    this.#rowsOfAdapters.delete(adapter);
    if (adapterRows)
      for (const tensor of [adapterRows.rows.delta, adapterRows.rows.position, adapterRows.rows.flag]) free(tensor);
    clear(this.token_adapter, adapter);
  }

  protected override *ownTensors(): Iterable<Tensor> {
    yield* super.ownTensors();
    for (const { rows } of this.#rowsOfAdapters.values()) yield* [rows.delta, rows.position, rows.flag];
  }

  tensors(adapter: string): ReadonlyMap<string, Parameter> {
    const adapterRows = this.#rowsOfAdapters.get(adapter);
    return new Map(
      adapterRows && adapterRows.owners.length > 0
        ? [["token_adapter.trainable_tokens_delta", adapterRows.rows.delta]]
        : [],
    );
  }

  forward(x: Tensor): Tensor {
    return this.#active.apply(
      (name) => this.has(name),
      [x],
      (name, [some]) => this.#run(name, some as Tensor),
    );
  }

  #run(adapter: string | null, x: Tensor): Tensor {
    const adapterRows = adapter === null ? undefined : this.#rowsOfAdapters.get(adapter);
    if (!adapterRows) return this.wrapped.forward(x);
    const { rows } = adapterRows;
    return scope(() => (this.#kind === "embedding" ? this.#lookUp(x, rows) : this.#score(x, rows)));
  }

  #lookUp(ids: Tensor, { delta, position, flag }: TokenRows): Tensor {
    const flat = ids.reshape([-1]);
    const isNew = indexSelect(flag, flat, { dim: 0 }).reshape([...ids.shape, 1]);
    const fresh = embedding(delta, indexSelect(position, flat, { dim: 0 }).reshape(ids.shape));
    const { paddingIdx } = this.wrapped as Embedding;
    const trained = stopAtPadding(fresh, ids.reshape([...ids.shape, 1]), paddingIdx);
    return where(isNew, trained, this.wrapped.forward(ids));
  }

  #score(x: Tensor, { delta, position, flag }: TokenRows): Tensor {
    const fresh = matmul(x, delta, { transposeB: true });
    return where(flag, indexSelect(fresh, position, { dim: x.ndim - 1 }), this.wrapped.forward(x));
  }

  /** Returns the merge steps that write the retrained rows into the table, in all modules that share it. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[] {
    return adapters.flatMap((adapter) => {
      const adapterRows = this.#rowsOfAdapters.get(adapter);
      if (!adapterRows || adapterRows.owners.length === 0) return [];
      const { rows, owners } = adapterRows;
      const base = this.#base as Embedding | Linear;
      const merged = () => {
        const fresh = indexSelect(rows.delta, rows.position, { dim: 0 });
        const value = where(rows.flag.reshape([-1, 1]), fresh, toF32(base.weight));
        return [{ path: `${path}.weight`, owners, key: "weight", value }];
      };
      const forward = (x: Tensor) => this.#run(adapter, x);
      return [{ path, module: base, merged, live: [{ forward, merged }], rows: rows.tokens }];
    });
  }
}

import { scope, type Tensor } from "@lowrank/core";
import { type Embedding, type Linear, Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { ActiveAdapter } from "./activeAdapter.ts";
import { clear, free, place } from "./adapterSlot.ts";
import { lookUpRows, replaceRows, scoreRows, type TokenRows } from "./tokenRows.ts";
import { toF32 } from "./tunerLayer.ts";
import type { MergeStep, Wrapper } from "./wrapper.ts";

/**
 * The retrained rows of one adapter in this module. `owners` lists the modules that share the embedding table: this
 * module and those tied to it. Only one of these modules saves and merges the rows; in the others, `owners` is empty.
 */
interface AdapterRows {
  rows: TokenRows;
  owners: readonly Module[];
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
    return this.#active.apply(this, [x], (name, [some]) => this.#run(name, some as Tensor));
  }

  #run(adapter: string | null, x: Tensor): Tensor {
    const adapterRows = adapter === null ? undefined : this.#rowsOfAdapters.get(adapter);
    if (!adapterRows) return this.wrapped.forward(x);
    const { rows } = adapterRows;
    return scope(() => (this.#kind === "embedding" ? lookUpRows : scoreRows)(this.wrapped, x, rows));
  }

  mergedInto(adapter: string): readonly Module[] {
    return this.#rowsOfAdapters.get(adapter)?.owners ?? [];
  }

  /** Returns the merge steps that write the retrained rows into the table, in all modules that share it. */
  mergeSteps(adapters: readonly string[], path: string): MergeStep[] {
    return adapters.flatMap((adapter) => {
      const adapterRows = this.#rowsOfAdapters.get(adapter);
      if (!adapterRows || adapterRows.owners.length === 0) return [];
      const { rows, owners } = adapterRows;
      const base = this.#base as Embedding | Linear;
      const merged = () => {
        const value = replaceRows(toF32(base.weight), rows);
        return [{ path: `${path}.weight`, owners, key: "weight", value }];
      };
      const forward = (x: Tensor) => this.#run(adapter, x);
      return [{ path, module: base, merged, live: [{ forward, merged }], rows: rows.tokens }];
    });
  }
}

import { copyInto, noGrad, scope, type Tensor, to } from "@lowrank/core";
import { Module, type ModuleBuffer, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { ActiveAdapter } from "./activeAdapter.ts";
import { clear, free, place } from "./adapterSlot.ts";
import { ProductTable } from "./productTable.ts";
import { addingByRows, type BatchRows, joinGroups, onRows, type RowGroups, type Run } from "./rowGroups.ts";
import { rowTasks } from "./rowTasks.ts";
import type { Tasks } from "./tasks.ts";
import type { MergeStep, Replacement, Wrapper } from "./wrapper.ts";

/** A linear layer's or embedding's weight and bias, in f32. */
export interface DenseLayer {
  weight: Tensor;
  bias: Tensor | null;
  /** True if the weight is stored as [in, out]. */
  fanInFanOut: boolean;
}

/** A low-rank product that an adapter adds to its layer's output: scaling ((x Aᵀ) Bᵀ + bias). */
export interface LowRank {
  /** The factor A, [r, in], f32 or half precision. */
  readonly a: Tensor;
  /** The factor B, [out, r], f32 or half precision. */
  readonly b: Tensor;
  readonly scaling: number;
  /** The bias of B, [out]. Absent if there is none. */
  readonly bias?: Tensor;
}

/** A layer inside of an adapted module, and its adapter. */
export interface InnerLayer {
  /** The layer's path in the model while the outer module is wrapped: "attn.base_layer.out_proj". */
  readonly path: string;
  readonly base: UnaryModule;
  readonly layer: LayerAdapter;
}

/** The tensors and functions of one adapter for one layer. */
export interface LayerAdapter {
  /**
   * The tensors that the adapter trains on this layer. The key is the name in the adapter file: "lora_A.weight". They
   * are f32, unless `LayerContext.dtypeOf` returned another dtype.
   */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** The factor by which the update is multiplied. Absent if the method does not support changing it. */
  scaling?: number;
  /** Returns the scaling of the product with the factor `key` of `parameters`. Default: `scaling` for all factors. */
  scalingOf?(key: string): number;
  /**
   * Names in the model for parameters that have another name in the adapter file. Keys are names in the file; values
   * are names in the model, which are the same as in PEFT.
   */
  readonly paths?: Readonly<Record<string, string>>;
  /** Names of `parameters` that keep their initial values while the adapter trains. Default: none. */
  readonly frozen?: readonly string[];
  /** Tensors that are not trained but are stored in the adapter file, keyed by their names in the file. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** Tensors that are neither trained nor stored in the file. They are freed with the adapter. */
  readonly constants?: readonly Tensor[];
  /**
   * Submodules (such as "lora_dropout") and further parameters that are not part of `parameters`, keyed by their names
   * in the model. These parameters are either not trained, or trained and shared by several layers. A buffer here is
   * one of `buffers` that training changes, so that checkpoints contain it.
   */
  readonly modules?: Readonly<Record<string, Module | Parameter | ModuleBuffer>>;
  /**
   * A new weight [out, in] for the base layer, quantised or not, from an initialisation such as PiSSA. When the adapter
   * is added, these values permanently overwrite the base layer's weight, and this tensor is freed.
   */
  readonly baseWeight?: Tensor;
  /**
   * Returns the layer's output for input x, with the adapter applied. `rest` contains further arguments of
   * `base.forward`.
   */
  forward(x: Tensor, base: UnaryModule, ...rest: never[]): Tensor;
  /**
   * Returns the update that `forward` adds to the base layer's output. Absent if `forward` does more than add an
   * update. If present, the base layer runs only once for a batch with several adapters; otherwise it runs once for
   * each adapter.
   */
  readonly added?: (x: Tensor) => Tensor;
  /**
   * The factors A and B with their scaling and bias, if the update is currently only their product. Batches with
   * several adapters then compute all products in one op.
   */
  readonly lowRank?: LowRank;
  /**
   * Returns the layer with the adapter merged into it. `base` is the layer to merge into, which may already contain
   * other merged adapters; `bare` is the layer without merged adapters. Absent if the method cannot merge. The caller
   * frees the result's tensors.
   */
  merge?(base: DenseLayer, bare: DenseLayer): DenseLayer;
  /**
   * Called after `parameters` and `buffers` got values from a file or from another adapter. Computes what depends on
   * them. Throws for values out of range.
   */
  valuesRead?(): Promise<void>;
  /**
   * The modules whose weight a merge replaces: this layer and others with the same weight that share the adapter. Empty
   * if another layer merges it. Default: this layer.
   */
  readonly owners?: readonly Module[];
  /** Layers inside of this one that get the adapter together with it. Default: none. */
  readonly inner?: readonly InnerLayer[];
  /** The adapter of another layer whose parameters this one uses too. Default: none. */
  readonly tiedTo?: LayerAdapter;
  /**
   * Returns the tensors that adapter files contain for this layer although other layers have their values, by name in
   * the file. The caller frees them. Default: none.
   */
  copies?(): Readonly<Record<string, Tensor>>;
  /**
   * Returns a term that is added to the training loss while the adapter trains, or null. `layers` has all layers of the
   * adapter.
   */
  penalty?(layers: readonly LayerAdapter[]): Tensor | null;
  /** The indices of the weight's rows that the adapter changes. Absent if it changes all. */
  readonly changedRows?: readonly number[];
  /**
   * The tasks, if the output depends on the task of each row. The last argument of `forward` then is
   * the tasks i32 [B, 1]. Absent if the output does not depend on tasks.
   */
  readonly tasks?: Tasks;
  /**
   * True if the output depends on the tokens of the rows. The last argument of `forward` then is the list of the rows
   * of the batch that the input has; undefined for all. Default: false.
   */
  readonly actsOnTokens?: boolean;
  /** The reason that `merge` is absent on this layer, for the error of a merge. Default: the method lacks a merge. */
  readonly unmergeable?: string;
}

/** Plan for computing a layer's output for a batch whose rows use different adapters. */
interface RowPlan {
  readonly rows: BatchRows;
  /**
   * True if the layer was in training mode when the plan was made. The plan is not reused in the other mode, because
   * dropout can change which adapters only add a product.
   */
  readonly training: boolean;
  run(inputs: readonly unknown[], run: Run): Tensor;
}

/** A layer with a weight, or attention, whose weight of queries, keys and values is `in_proj_weight`. */
type WeightedModule = UnaryModule & { weight: Parameter; in_proj_weight: Parameter; bias?: Parameter | null };

/** Wraps a base layer and holds its adapters. */
export class TunerLayer extends Module implements Wrapper {
  base_layer: UnaryModule;
  readonly #active: ActiveAdapter;
  readonly #adapters = new Map<string, LayerAdapter>();
  /**
   * The plan for the last batch whose rows used different adapters. Reset to null when an adapter of this layer
   * changes.
   */
  #plan: RowPlan | null = null;
  /** Base weights of adapters that are still being loaded. A refused file must leave the base layer as it was. */
  readonly #newBases = new Map<string, Tensor>();
  /** The low-rank products of the adapters on this layer, for batches whose rows use different adapters. */
  readonly #products: ProductTable;
  /**
   * True if the products were cached in training mode. They are discarded when the mode changes: with active dropout,
   * an adapter does not count as a plain product.
   */
  #productsTraining = false;
  /** While true, the base layer contains merged weights and adapters are skipped. */
  merged = false;
  /** If set, every forward pass calls this function with the layer's input. */
  observer: ((x: Tensor) => void) | null = null;

  constructor(base: UnaryModule, active: ActiveAdapter) {
    super();
    this.base_layer = base;
    this.#active = active;
    this.#products = new ProductTable(active.slots);
  }

  get wrapped(): UnaryModule {
    return this.base_layer;
  }

  /** Replaces the base layer by another one with the same sizes, such as a quantised one. */
  rebase(base: UnaryModule): void {
    this.base_layer = base;
  }

  has(adapter: string): boolean {
    return this.#adapters.has(adapter);
  }

  /** Returns an adapter's tensors and functions for this layer; undefined if the adapter does not change this layer. */
  get(adapter: string): LayerAdapter | undefined {
    return this.#adapters.get(adapter);
  }

  /** The adapters of this layer, by name. */
  get adapters(): ReadonlyMap<string, LayerAdapter> {
    return this.#adapters;
  }

  add(adapter: string, layer: LayerAdapter): void {
    this.#changed(adapter);
    this.#adapters.set(adapter, layer);
    for (const [name, module] of Object.entries(layer.modules ?? {})) place(this, name, adapter, module);
    for (const [key, parameter] of Object.entries(layer.parameters)) {
      place(this, layer.paths?.[key] ?? key, adapter, parameter);
    }
  }

  /** Holds the weight that an adapter's initialisation gives the base layer, until `setBase` is called. */
  holdBase(adapter: string, weight: Tensor): void {
    this.#newBases.set(adapter, weight);
  }

  /** Writes the weight that `holdBase` was given for an adapter into the base layer. Does nothing if there is none. */
  setBase(adapter: string): void {
    const weight = this.#newBases.get(adapter);
    this.#newBases.delete(adapter);
    if (weight) this.#setBase(weight);
  }

  #changed(adapter: string): void {
    this.#plan = null;
    this.#products.forget(adapter);
  }

  #setBase(value: Tensor): void {
    const { weight } = this.base_layer as WeightedModule;
    noGrad(() =>
      scope(() => {
        const full = to(value, { dtype: weight.dtype });
        copyInto(weight, this.base_layer.layerKind === "conv1d" ? full.transpose(0, 1) : full);
      }),
    );
    value.dispose();
  }

  remove(adapter: string): void {
    this.#changed(adapter);
    for (const parameter of this.tensors(adapter).values()) free(parameter);
    for (const buffer of this.buffers(adapter).values()) buffer.dispose();
    for (const constant of this.#adapters.get(adapter)?.constants ?? []) constant.dispose();
    this.#newBases.get(adapter)?.dispose();
    this.#newBases.delete(adapter);
    this.#adapters.delete(adapter);
    clear(this, adapter);
  }

  protected override *ownTensors(): Iterable<Tensor> {
    yield* super.ownTensors();
    for (const { buffers = {}, constants = [] } of this.#adapters.values()) {
      yield* Object.values(buffers);
      yield* constants;
    }
  }

  /**
   * Gives the adapter `other` of this layer the name `adapter`. Frees the tensors of the adapter that had this name
   * before.
   */
  replace(adapter: string, other: string): void {
    const layer = this.#adapters.get(other)!;
    this.#changed(other);
    this.#adapters.delete(other);
    clear(this, other);
    this.remove(adapter);
    this.add(adapter, layer);
  }

  /** Sets the factor by which an adapter's update is multiplied. */
  setScaling(adapter: string, scaling: number): void {
    this.#changed(adapter);
    this.#adapters.get(adapter)!.scaling = scaling;
  }

  /** Called after an adapter's tensors got values from a file or from another adapter. */
  async valuesRead(adapter: string): Promise<void> {
    await this.#adapters.get(adapter)?.valuesRead?.();
  }

  tensors(adapter: string): ReadonlyMap<string, Parameter> {
    return new Map(Object.entries(this.#adapters.get(adapter)?.parameters ?? {}));
  }

  /** Returns the parameters of an adapter that are never trained. */
  frozen(adapter: string): readonly Parameter[] {
    const { parameters = {}, frozen = [] } = this.#adapters.get(adapter) ?? {};
    return frozen.map((key) => parameters[key]);
  }

  /**
   * Returns an adapter's buffers (tensors that are saved but not trained). Keys are names in the adapter file, without
   * this layer's path in front.
   */
  buffers(adapter: string): ReadonlyMap<string, Tensor> {
    return new Map(Object.entries(this.#adapters.get(adapter)?.buffers ?? {}));
  }

  forward(x: Tensor, ...rest: unknown[]): Tensor {
    const base = this.base_layer as UnaryModule & { forward(x: Tensor, ...rest: unknown[]): Tensor };
    this.observer?.(x);
    if (this.merged) return base.forward(x, ...rest);
    const tasks = rowTasks(x, this.#active, (name) => this.#adapters.get(name)?.tasks);
    const run = (name: string | null, [input, ...others]: readonly unknown[], inner: typeof base = base) => {
      const adapter = name === null ? undefined : this.#adapters.get(name);
      if (tasks && !adapter?.tasks) others.pop();
      if (adapter?.actsOnTokens) others.push(this.#active.rows?.all.get(name));
      return adapter
        ? adapter.forward(input as Tensor, inner, ...(others as never[]))
        : inner.forward(input as Tensor, ...others);
    };
    const inputs = tasks ? [x, ...rest, tasks] : [x, ...rest];
    return this.#active.apply(this, inputs, run, (rows) => this.#planFor(rows).run(inputs, run));
  }

  #planFor(rows: BatchRows): RowPlan {
    const { training } = this;
    if (this.#productsTraining !== training) {
      this.#products.clear();
      this.#productsTraining = training;
    }
    if (this.#plan?.rows !== rows || this.#plan.training !== training) {
      this.#plan = { rows, training, run: this.#planRows(rows) };
    }
    return this.#plan;
  }

  /**
   * Plans how to compute a batch whose rows use different adapters. The base layer runs once, on all rows whose
   * adapters only add to its output. Each other adapter runs separately on its own rows. A row's result does not depend
   * on the other rows.
   */
  #planRows(rows: BatchRows): RowPlan["run"] {
    const adapters = this.#adapters;
    if (this.#products.hasAll(rows, (name) => adapters.get(name)?.lowRank)) {
      return onBase(this.#products.addingAll(rows));
    }
    const adding = (groups: RowGroups) => onBase(addingByRows(groups, adapters, this.#products));
    const onlyAdds = (name: string | null) => name === null || addsAlone(adapters.get(name)!);
    const groups = rows.groups((name) => adapters.has(name));
    if ([...groups.keys()].every(onlyAdds)) return adding(groups);
    const { joined, parts } = joinGroups(groups, onlyAdds);
    const base = adding(parts);
    return (inputs, run) => onRows(joined, inputs, (name, own) => (name === null ? base(own, run) : run(name, own)));
  }

  mergedInto(adapter: string): readonly Module[] {
    return this.#adapters.get(adapter)?.owners ?? [this.base_layer];
  }

  mergeSteps(adapters: readonly string[], path: string): MergeStep[] {
    const { stack } = this.#active;
    const merging = adapters.filter((name) => this.has(name) && this.mergedInto(name).length > 0);
    const present = stack?.order(this, merging) ?? merging;
    if (present.length === 0) return [];
    const base = this.base_layer;
    const changed = present.map((name) => this.#adapters.get(name)!.changedRows);
    const rows = changed.every((some) => some !== undefined) ? changed.flat() : undefined;
    const forward = (x: Tensor, name: string, inner = base) => this.#adapters.get(name)!.forward(x, inner);
    const live = stack
      ? [{ forward: (x: Tensor) => stack.apply(base, present, x, forward), merged: () => this.#merged(present, path) }]
      : present.map((name) => ({
          forward: (x: Tensor) => forward(x, name),
          merged: () => this.#merged([name], path),
        }));
    return [{ path, module: base, merged: () => this.#merged(present, path), live, rows }];
  }

  /**
   * Merges the given adapters in order. Returns the base layer's parameters that change, with their new values. The
   * adapters' methods must support merging.
   */
  #merged(adapters: readonly string[], path: string): Replacement[] {
    const base = this.base_layer as WeightedModule;
    const bias = base.bias ? toF32(base.bias) : null;
    const key = base.weight ? "weight" : "in_proj_weight";
    let dense: DenseLayer = { weight: toF32(base[key]), bias, fanInFanOut: base.layerKind === "conv1d" };
    const before = dense;
    for (const name of adapters) {
      dense = this.#adapters.get(name)?.merge?.(dense, before) ?? dense;
    }
    const owners = this.mergedInto(adapters[0]);
    const replacements: Replacement[] = [];
    if (dense.weight !== before.weight) {
      replacements.push({ path: `${path}.${key}`, owners, key, value: dense.weight });
    }
    if (dense.bias && dense.bias !== before.bias) {
      replacements.push({ path: `${path}.bias`, owners, key: "bias", value: dense.bias });
    }
    return replacements;
  }
}

const addsAlone = ({ lowRank, added }: LayerAdapter): boolean => (lowRank ?? added) !== undefined;

/**
 * Returns a function that runs the base layer on all rows of its input. It then calls `add`, which adds the adapters'
 * updates to the output.
 */
function onBase(add: (y: Tensor, x: Tensor) => Tensor): RowPlan["run"] {
  return (inputs, run) => {
    const y = run(null, inputs);
    const sum = add(y, inputs[0] as Tensor);
    if (sum !== y) y.dispose();
    return sum;
  };
}

/** Converts a tensor to f32. Returns it unchanged if it is f32 already. */
export function toF32(t: Tensor): Tensor {
  return t.dtype === "f32" ? t : to(t, { dtype: "f32" });
}

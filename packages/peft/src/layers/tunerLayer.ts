import { copyInto, noGrad, scope, type Tensor, to } from "@lowrank/core";
import { Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { ActiveAdapter } from "./activeAdapter.ts";
import { clear, free, place } from "./adapterSlot.ts";
import { addingByRows } from "./addByRows.ts";
import type { MergeStep, Replacement } from "./mergeStep.ts";
import { ProductTable } from "./productTable.ts";
import { type BatchRows, joinGroups, onRows, type RowGroups, type Run } from "./rowGroups.ts";
import type { Wrapper } from "./wrapper.ts";

/** Weight and bias of a layer, in f32. */
export interface DenseLayer {
  weight: Tensor;
  bias: Tensor | null;
  /** True if the weight is stored as [in, out]. */
  fanInFanOut: boolean;
}

/** A low-rank product that an adapter adds to its layer's output: scaling ((x Aᵀ) Bᵀ + bias). */
export interface LowRank {
  /** [r, in], f32 or half precision. */
  readonly a: Tensor;
  /** [out, r], f32 or half precision. */
  readonly b: Tensor;
  readonly scaling: number;
  /** [out] */
  readonly bias?: Tensor;
}

/** One adapter's part on one layer. */
export interface LayerAdapter {
  /**
   * Trainable parameters, by key in the file: "lora_A.weight". Their dtype is f32, or the one of
   * `LayerContext.dtypeOf`.
   */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** The factor of the added update, if it can be set. */
  scaling?: number;
  /** Paths of parameters in the model, in PEFT's naming, if they differ from the keys in the file. */
  readonly paths?: Readonly<Record<string, string>>;
  /** Constants that the file also contains, by key. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** Constants that the file does not contain. They are freed with the adapter. */
  readonly constants?: readonly Tensor[];
  /**
   * Submodules and other parameters, by name: "lora_dropout". Parameters here are constants, or shared with other
   * layers.
   */
  readonly modules?: Readonly<Record<string, Module | Parameter>>;
  /**
   * A new value [out, in], packed or not, for the base layer's weight. It replaces the weight permanently when the
   * adapter is added, and is freed then.
   */
  readonly baseWeight?: Tensor;
  /** Returns the layer's output with the adapter. `rest` are the arguments after the input. */
  forward(x: Tensor, base: UnaryModule, ...rest: never[]): Tensor;
  /**
   * Returns the update that `forward` adds to the base layer's output. Absent if the adapter does more than add.
   * Batches with several adapters then need no split.
   */
  readonly added?: (x: Tensor) => Tensor;
  /**
   * The factors of the update, if it currently is a product of two. Batches with several adapters then compute all
   * products in one op.
   */
  readonly lowRank?: LowRank;
  /**
   * Returns the layer with the adapter merged in. Absent if the method cannot merge. `bare` is the layer before other
   * adapters were merged into `base`. The caller frees both.
   */
  merge?(base: DenseLayer, bare: DenseLayer): DenseLayer;
}

/** The plan for a batch whose rows have different adapters. */
interface RowPlan {
  readonly rows: BatchRows;
  /** The training mode when the plan was made, since dropout depends on it. */
  readonly training: boolean;
  run(inputs: readonly unknown[], run: Run): Tensor;
}

type WeightedModule = UnaryModule & { weight: Parameter; bias?: Parameter | null };

/** A base layer with its adapters. */
export class TunerLayer extends Module implements Wrapper {
  base_layer: UnaryModule;
  readonly #active: ActiveAdapter;
  readonly #adapters = new Map<string, LayerAdapter>();
  /** The plan of the last batch whose rows had adapters. Null after any change of the adapters. */
  #plan: RowPlan | null = null;
  /** The low-rank products of the adapters in batches, and the training mode for which they were recorded. */
  readonly #products: ProductTable;
  #productsTraining = false;
  /** While true, the base layer contains merged weights and adapters are skipped. */
  merged = false;
  /** Called with every input, if set. */
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

  /** Replaces the base layer by another of the same sizes. */
  rebase(base: UnaryModule): void {
    this.base_layer = base;
  }

  has(adapter: string): boolean {
    return this.#adapters.has(adapter);
  }

  /** Returns an adapter's part on this layer, or undefined. */
  get(adapter: string): LayerAdapter | undefined {
    return this.#adapters.get(adapter);
  }

  add(adapter: string, layer: LayerAdapter): void {
    this.#changed(adapter);
    this.#adapters.set(adapter, layer);
    if (layer.baseWeight) this.#setBase(layer.baseWeight);
    for (const [name, module] of Object.entries(layer.modules ?? {})) place(this, name, adapter, module);
    for (const [key, parameter] of Object.entries(layer.parameters)) {
      place(this, layer.paths?.[key] ?? key, adapter, parameter);
    }
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

  /** Replaces the part of `adapter` by the part of `other`, and frees the old one. */
  replace(adapter: string, other: string): void {
    const layer = this.#adapters.get(other)!;
    this.#changed(other);
    this.#adapters.delete(other);
    clear(this, other);
    this.remove(adapter);
    this.add(adapter, layer);
  }

  /** Sets the factor of the update that an adapter adds. */
  setScaling(adapter: string, scaling: number): void {
    this.#changed(adapter);
    this.#adapters.get(adapter)!.scaling = scaling;
  }

  tensors(adapter: string): ReadonlyMap<string, Parameter> {
    return new Map(Object.entries(this.#adapters.get(adapter)?.parameters ?? {}));
  }

  /** Returns an adapter's constants, by key in its file after this layer's path. */
  buffers(adapter: string): ReadonlyMap<string, Tensor> {
    return new Map(Object.entries(this.#adapters.get(adapter)?.buffers ?? {}));
  }

  forward(x: Tensor, ...rest: unknown[]): Tensor {
    const base = this.base_layer as Module & { forward(x: Tensor, ...rest: unknown[]): Tensor };
    this.observer?.(x);
    if (this.merged) return base.forward(x, ...rest);
    const run = (name: string | null, [input, ...others]: readonly unknown[]) => {
      const adapter = name === null ? undefined : this.#adapters.get(name);
      return adapter
        ? adapter.forward(input as Tensor, base, ...(others as never[]))
        : base.forward(input as Tensor, ...others);
    };
    const inputs = [x, ...rest];
    return this.#active.apply(
      (name) => this.#adapters.has(name),
      inputs,
      run,
      (rows) => this.#planFor(rows).run(inputs, run),
    );
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
   * Plans a batch: runs the base layer once on all rows whose adapters only add to its output, and every other adapter
   * on its own rows. A row's result does not depend on the other rows of the batch.
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

  mergeSteps(adapters: readonly string[], path: string): MergeStep[] {
    const present = adapters.filter((name) => this.#adapters.has(name));
    if (present.length === 0) return [];
    const base = this.base_layer;
    const live = present.map((name) => ({
      forward: (x: Tensor) => this.#adapters.get(name)!.forward(x, base),
      merged: () => this.#merged([name], path),
    }));
    return [{ path, module: base, merged: () => this.#merged(present, path), live }];
  }

  /** Returns the base weights with adapters merged in one after the other. Their methods must support merging. */
  #merged(adapters: readonly string[], path: string): Replacement[] {
    const base = this.base_layer as WeightedModule;
    const bias = base.bias ? toF32(base.bias) : null;
    let dense: DenseLayer = { weight: toF32(base.weight), bias, fanInFanOut: base.layerKind === "conv1d" };
    const before = dense;
    for (const name of adapters) {
      dense = this.#adapters.get(name)?.merge?.(dense, before) ?? dense;
    }
    const owners = [base];
    const replacements: Replacement[] = [];
    if (dense.weight !== before.weight) {
      replacements.push({ path: `${path}.weight`, owners, key: "weight", value: dense.weight });
    }
    if (dense.bias && dense.bias !== before.bias) {
      replacements.push({ path: `${path}.bias`, owners, key: "bias", value: dense.bias });
    }
    return replacements;
  }
}

const addsAlone = ({ lowRank, added }: LayerAdapter): boolean => (lowRank ?? added) !== undefined;

/** Returns a function that runs the base layer on a batch and adds `add`'s updates to its output. */
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

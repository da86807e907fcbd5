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
  /** The weight lies as [in, out]. */
  fanInFanOut: boolean;
}

/** A product of low rank that an adapter adds to its layer's output: scaling ((x Aᵀ) Bᵀ + bias). */
export interface LowRank {
  /** [r, in], perhaps in half precision. */
  readonly a: Tensor;
  /** [out, r], perhaps in half precision. */
  readonly b: Tensor;
  readonly scaling: number;
  /** [out] */
  readonly bias?: Tensor;
}

/** The part of one adapter that sits on one layer. */
export interface LayerAdapter {
  /**
   * The parameters that train, by key in the file: "lora_A.weight". They are f32, or of
   * `LayerContext.dtypeOf`.
   */
  readonly parameters: Readonly<Record<string, Parameter>>;
  /** The factor of the part that it adds, if that can be set. */
  scaling?: number;
  /**
   * The places of parameters in the model, in PEFT's naming, if they are
   * not their keys in the file.
   */
  readonly paths?: Readonly<Record<string, string>>;
  /** Constants that its file holds too, by key. */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** Constants that no file holds, to be freed with it. */
  readonly constants?: readonly Tensor[];
  /**
   * Modules beside the tensors, by name: "lora_dropout". Parameters here are constants, or
   * shared with other layers.
   */
  readonly modules?: Readonly<Record<string, Module | Parameter>>;
  /**
   * A value [out, in], packed or not, that the base layer's weight takes for good when the adapter
   * is put on it; freed then.
   */
  readonly baseWeight?: Tensor;
  /**
   * Returns the layer's output with the adapter in place; `rest` are the
   * arguments besides the input.
   */
  forward(x: Tensor, base: UnaryModule, ...rest: never[]): Tensor;
  /**
   * Returns the part that `forward` adds to the base layer's output; absent if it does more than
   * that. Mixed batches then need no split.
   */
  readonly added?: (x: Tensor) => Tensor;
  /**
   * The factors of that part, where it is a product of two at present: mixed batches then compute
   * it for all their adapters at once.
   */
  readonly lowRank?: LowRank;
  /**
   * The layer with the adapter folded in; absent where a method cannot. `bare` is the layer before
   * other adapters were folded into `base`. Both are the caller's to free.
   */
  merge?(base: DenseLayer, bare: DenseLayer): DenseLayer;
}

/** The way in which a layer runs the rows of a batch. */
interface RowPlan {
  readonly rows: BatchRows;
  /** The mode in which it was made: that of dropouts. */
  readonly training: boolean;
  run(inputs: readonly unknown[], run: Run): Tensor;
}

type WeightedModule = UnaryModule & { weight: Parameter; bias?: Parameter | null };

/** A base layer with the adapters that sit on it. */
export class TunerLayer extends Module implements Wrapper {
  base_layer: UnaryModule;
  readonly #active: ActiveAdapter;
  readonly #adapters = new Map<string, LayerAdapter>();
  /** The plan of the last batch whose rows had adapters; null after any change of these. */
  #plan: RowPlan | null = null;
  /** The products that adapters add in batches, and the mode of these. */
  readonly #products: ProductTable;
  #productsTraining = false;
  /** While true, the base layer holds merged weights and acts alone. */
  merged = false;
  /** Told of every input, while there is one. */
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

  /** Takes another base layer of the same sizes. */
  rebase(base: UnaryModule): void {
    this.base_layer = base;
  }

  has(adapter: string): boolean {
    return this.#adapters.has(adapter);
  }

  /** Returns an adapter's part on this layer. */
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

  /** Puts the part of adapter `other` in the place of that of `adapter`, which is freed. */
  replace(adapter: string, other: string): void {
    const layer = this.#adapters.get(other)!;
    this.#changed(other);
    this.#adapters.delete(other);
    clear(this, other);
    this.remove(adapter);
    this.add(adapter, layer);
  }

  /** Sets the factor of the part that an adapter adds. */
  setScaling(adapter: string, scaling: number): void {
    this.#changed(adapter);
    this.#adapters.get(adapter)!.scaling = scaling;
  }

  tensors(adapter: string): ReadonlyMap<string, Parameter> {
    return new Map(Object.entries(this.#adapters.get(adapter)?.parameters ?? {}));
  }

  /** An adapter's constants by their key in its file, below this layer's path. */
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
   * Plans to run the base layer on all rows at once whose adapters only add to its output, and each
   * other adapter on its rows. A row is computed in the same way whatever stands beside it.
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

  /**
   * The base weights with adapters folded in one after the other; their
   * methods must be able to merge.
   */
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

/** Runs the base layer on a batch, and adds to its output. */
function onBase(add: (y: Tensor, x: Tensor) => Tensor): RowPlan["run"] {
  return (inputs, run) => {
    const y = run(null, inputs);
    const sum = add(y, inputs[0] as Tensor);
    if (sum !== y) y.dispose();
    return sum;
  };
}

/** A tensor in f32; itself where it is. */
export function toF32(t: Tensor): Tensor {
  return t.dtype === "f32" ? t : to(t, { dtype: "f32" });
}

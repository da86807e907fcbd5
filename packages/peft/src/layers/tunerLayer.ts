import { copyInto, noGrad, scope, type Tensor, to } from "@lowrank/core";
import { Conv1D, Module, type Parameter, type UnaryModule } from "@lowrank/nn";
import type { ActiveAdapter } from "./activeAdapter.ts";
import { addingByRows, type RowPart, rowPart } from "./addByRows.ts";
import type { MergeStep, Replacement } from "./mergeStep.ts";
import { type BatchRows, joinGroups, onRows, type RowGroups, type Run } from "./rowGroups.ts";
import { clear, free, place } from "./slot.ts";
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

/** The way in which a layer runs batches whose rows have certain adapters. */
interface RowPlan {
  /** The adapters, by the list that such batches share. */
  readonly adapters: BatchRows["adapters"];
  /** The mode in which it was made: that of dropouts. */
  readonly training: boolean;
  run(rows: BatchRows, inputs: readonly unknown[], run: Run): Tensor;
}

type WeightedModule = UnaryModule & { weight: Parameter; bias?: Parameter | null };

/** A base layer with the adapters that sit on it. */
export class TunerLayer extends Module implements Wrapper {
  base_layer: UnaryModule;
  readonly #active: ActiveAdapter;
  readonly #adapters = new Map<string, LayerAdapter>();
  /** The plan of the last batch whose rows had adapters; null after any change of these. */
  #plan: RowPlan | null = null;
  /** The parts of adapters in plans, made when a batch first has them, and the mode of these. */
  readonly #parts = new Map<string, RowPart>();
  #partsTraining = false;
  /** While true, the base layer holds merged weights and acts alone. */
  merged = false;
  /** Told of every input, while there is one. */
  observer: ((x: Tensor) => void) | null = null;

  constructor(base: UnaryModule, active: ActiveAdapter) {
    super();
    this.base_layer = base;
    this.#active = active;
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
    this.#parts.delete(adapter);
  }

  #setBase(value: Tensor): void {
    const { weight } = this.base_layer as WeightedModule;
    noGrad(() =>
      scope(() => {
        const full = to(value, { dtype: weight.dtype });
        copyInto(weight, this.base_layer instanceof Conv1D ? full.transpose(0, 1) : full);
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
      (rows) => this.#planFor(rows).run(rows, inputs, run),
    );
  }

  #planFor(rows: BatchRows): RowPlan {
    const { training } = this;
    if (this.#partsTraining !== training) {
      this.#parts.clear();
      this.#partsTraining = training;
    }
    const { adapters } = rows;
    if (this.#plan?.adapters !== adapters || this.#plan.training !== training) {
      this.#plan = { adapters, training, run: this.#planRows(adapters) };
    }
    return this.#plan;
  }

  #partOf(name: string): RowPart | undefined {
    const known = this.#parts.get(name);
    if (known && !known.factors?.freed) return known;
    const adapter = this.#adapters.get(name);
    if (!adapter) return undefined;
    const part = rowPart(adapter);
    this.#parts.set(name, part);
    return part;
  }

  /**
   * Plans to run the base layer on all rows at once whose adapters only add to its output, and each
   * other adapter on its rows. A row is computed in the same way whatever stands beside it.
   */
  #planRows(adapters: BatchRows["adapters"]): RowPlan["run"] {
    const adding = new Map<string, RowPart>();
    const missing: string[] = [];
    let others = 0;
    for (const name of adapters) {
      if (name === null) continue;
      const part = this.#partOf(name);
      if (!part) missing.push(name);
      else if (part.onlyAdds) adding.set(name, part);
      else others++;
    }
    const add = adding.size > 0 ? addingByRows(adding) : null;
    const onBase = (groups: RowGroups, inputs: readonly unknown[], run: Run): Tensor => {
      const y = run(null, inputs);
      const sum = add?.(y, inputs[0] as Tensor, groups) ?? y;
      if (sum !== y) y.dispose();
      return sum;
    };
    if (others === 0) return (rows, inputs, run) => onBase(rows.without(missing), inputs, run);
    const split = joinGroups((name) => name === null || adding.has(name));
    return (rows, inputs, run) => {
      const { joined, parts } = split(rows.without(missing));
      return onRows(joined, inputs, (name, own) => (name === null ? onBase(parts, own, run) : run(name, own)));
    };
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
    const bias = base.bias ? wide(base.bias) : null;
    let dense: DenseLayer = { weight: wide(base.weight), bias, fanInFanOut: base instanceof Conv1D };
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

/** A tensor in f32; itself where it is. */
export function wide(t: Tensor): Tensor {
  return t.dtype === "f32" ? t : to(t, { dtype: "f32" });
}

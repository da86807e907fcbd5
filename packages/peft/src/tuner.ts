import { add, copyInto, isGradEnabled, noGrad, scope, type Tensor, to } from "@lowrank/core";
import {
  AttentionLayer,
  Module,
  Parameter,
  type PromptableModel,
  type QuantizationReport,
  type QuantizeOptions,
  quantize,
  type UnaryModule,
} from "@lowrank/nn";
import { type Adapter, encoderPrefix, filePrefix, sharedPrefix } from "./adapter.ts";
import { during } from "./during.ts";
import { ActiveAdapter } from "./layers/activeAdapter.ts";
import { SavedModule } from "./layers/savedModule.ts";
import { baseName, checkAdapterName, clear, free, place, Slot } from "./layers/slot.ts";
import { TrainableTokens } from "./layers/trainableTokens.ts";
import { TunerLayer } from "./layers/tunerLayer.ts";
import type { Wrapper } from "./layers/wrapper.ts";
import type { MergeStep, OwnersOf } from "./merge/mergeStep.ts";
import { checkPackedMerge, type PackedMerge } from "./merge/packedMerge.ts";
import { isPromptMethod } from "./method.ts";
import { checkDisjoint, type NewAdapter, type Plan, planAdapter } from "./planAdapter.ts";
import { isPromptable, planPrompt } from "./prompt/planPrompt.ts";
import { placesOf, Swap } from "./swap.ts";

/** A base model and what adapters put into it: wrappers in the place of modules, values in the place of parameters. */
export class Tuner<M extends Module> extends Module {
  model: M;
  /** The encoders of prompt methods, by adapter. PEFT has them beside the base model, and so has PeftModel. */
  readonly #encoders = new Slot();
  readonly #wrappers = new Map<string, Wrapper>();
  readonly #adapters = new Map<string, Adapter>();
  readonly #active = new ActiveAdapter();
  /** Merged weights in place, in the order of merging. */
  #merges: readonly Swap[] = [];
  #mergedNames: readonly string[] = [];
  #isBare = false;

  /** Throws for a model that carries adapters already. */
  constructor(model: M) {
    super();
    for (const [path, module] of model.namedModules()) {
      if (module instanceof TunerLayer || module instanceof SavedModule || module instanceof TrainableTokens) {
        throw new Error(
          `${path} carries adapters of another PeftModel; add yours to that with addAdapter, or unload it first`,
        );
      }
    }
    if (isPromptable(model) && model.virtualTokens) {
      throw new Error(
        "the model has virtual tokens of another PeftModel; add yours to that with addAdapter, or unload it",
      );
    }
    this.model = model;
  }

  get encoders(): Slot {
    return this.#encoders;
  }

  get adapters(): ReadonlyMap<string, Adapter> {
    return this.#adapters;
  }

  get active(): string | null {
    return this.#active.name;
  }

  get mergedNames(): readonly string[] {
    return this.#mergedNames;
  }

  /** The adapter of that name. Throws, naming those there are. */
  adapter(name: string): Adapter {
    const adapter = this.#adapters.get(name);
    if (adapter) return adapter;
    throw new Error(`there is no adapter "${name}"; there are ${[...this.#adapters.keys()].join(", ") || "none"}`);
  }

  /** Throws while the model stands bare, inside of `disableAdapter`. */
  checkWhole(what: string): void {
    const inside = this.#isBare ? "disableAdapter" : this.#active.rows && "withAdapterNames";
    if (inside) throw new Error(`cannot ${what} inside of ${inside}; do it before or after`);
  }

  /** Puts a new adapter on the model, inactive. Where it throws, nothing has changed. */
  add(options: NewAdapter, onWarning: (message: string) => void): Adapter {
    const { name, method } = options;
    this.checkWhole("add an adapter");
    checkAdapterName(name);
    if (this.#adapters.has(name))
      throw new Error(`there is an adapter "${name}" already; choose another name or delete it`);
    const plan = this.bare(() =>
      isPromptMethod(method)
        ? planPrompt(this.model, { ...options, method })
        : planAdapter(this.model, { ...options, method }),
    );
    this.#checkPlan(plan);
    for (const warning of plan.warnings) onWarning(warning);
    const { config, report, shared, prompt, swaps, tables } = plan;
    const layers = new Map(plan.layers.map(({ path, layer }) => [path, layer]));
    const allocator = isPromptMethod(method) ? null : (method.createAllocator?.(layers) ?? null);
    const adapter: Adapter = {
      ...{ name, method, config, report, shared, prompt, allocator, swaps, tables },
      trainable: true,
    };
    this.#adapters.set(name, adapter);
    if (this.#adapters.size === 1) this.model.setRequiresGrad(false);
    this.#install(name, plan);
    this.#train(name, false);
    return adapter;
  }

  #checkPlan(plan: Plan): void {
    const kinds = [
      [plan.layers, TunerLayer],
      [plan.saved, SavedModule],
      [plan.tokens, TrainableTokens],
    ] as const;
    const paths = new Set(this.#wrappers.keys());
    for (const [parts, kind] of kinds) {
      for (const { path } of parts) {
        const before = this.#wrappers.get(path);
        if (before && !(before instanceof kind)) {
          throw new Error(
            `${path}: another adapter uses this module in another way (${before.constructor.name}); delete that adapter first`,
          );
        }
        paths.add(path);
      }
    }
    checkDisjoint([...paths]);
  }

  #install(name: string, { shared, prompt, layers, saved, tokens }: Plan): void {
    if (prompt) this.#encoders.set(name, prompt.encoder.train(this.model.training));
    for (const [key, parameter] of Object.entries(shared.parameters ?? {})) place(this, key, name, parameter);
    for (const { path, base, layer } of layers)
      this.#wrap(path, () => new TunerLayer(base, this.#active)).add(name, layer);
    for (const { path, base } of saved) this.#wrap(path, () => new SavedModule(base, this.#active)).add(name);
    for (const { path, base, kind, rows, tied } of tokens) {
      this.#wrap(path, () => new TrainableTokens(base, kind, this.#active)).add(name, rows, tied);
    }
    for (const [, wrapper] of this.#wrappers) wrapper.train(wrapper.wrapped.training);
  }

  #wrap<W extends Wrapper>(path: string, make: () => W): W {
    const wrapper = this.#wrappers.get(path) ?? make();
    this.#wrappers.set(path, wrapper);
    this.model.setSubmodule(path, wrapper);
    return wrapper as W;
  }

  /** Takes an adapter off and frees its tensors; wrappers that hold nothing more give way to their module. */
  remove(name: string): void {
    this.checkWhole("delete an adapter");
    const { shared, prompt, swaps, allocator } = this.adapter(name);
    if (this.#active.name === name) this.activate(null);
    for (const [path, wrapper] of this.#wrappers) {
      wrapper.remove(name);
      if ([...this.#adapters.keys()].some((other) => wrapper.has(other))) continue;
      this.model.setSubmodule(path, wrapper.wrapped);
      this.#wrappers.delete(path);
    }
    for (const { on } of swaps.values()) free(on);
    for (const parameter of Object.values(shared.parameters ?? {})) free(parameter);
    for (const buffer of Object.values(shared.buffers ?? {})) buffer.dispose();
    for (const parameter of prompt?.encoder.parameters() ?? []) free(parameter);
    allocator?.dispose();
    this.#encoders.delete(name);
    clear(this, name);
    this.#adapters.delete(name);
  }

  /** Makes one adapter act, or none: nothing is touched but what trains, and the values that adapters swap. */
  activate(name: string | null): void {
    const next = name === null ? null : this.adapter(name);
    const before = this.#active.name;
    if (before === name) return;
    if (before !== null) {
      if (this.adapter(before).trainable) this.#train(before, false);
      this.#swap(before, false);
    }
    this.#active.name = name;
    if (next === null) return;
    this.#swap(next.name, true);
    if (next.trainable) this.#train(next.name, true);
  }

  /** Says whether an adapter trains while it is active. */
  setTrainable(name: string, trainable: boolean): void {
    const adapter = this.adapter(name);
    if (trainable && adapter.prompt?.final) {
      throw new Error(
        `adapter "${name}" (${adapter.method.peftType}) cannot be trained further: its file holds the rows that its encoder made, and not the encoder`,
      );
    }
    adapter.trainable = trainable;
    if (this.#active.name === name) this.#train(name, trainable);
  }

  #swap(name: string, on: boolean): void {
    const { swaps, prompt } = this.adapter(name);
    for (const swap of swaps.values()) swap.set(on);
    if (prompt) (this.model as unknown as PromptableModel).virtualTokens = on ? prompt : null;
  }

  #train(name: string, value: boolean): void {
    for (const parameter of this.trained(name).values()) parameter.requiresGrad = value;
  }

  /** Runs `fn` on the base model as it was given: no wrapper, no swapped value, no merged weight. Nests. */
  bare<T>(fn: () => T): T {
    if (this.#isBare) return fn();
    this.checkWhole(`disable adapters (name "${baseName}" for rows without one)`);
    return during(
      () => this.#setBare(true),
      fn,
      () => this.#setBare(false),
    );
  }

  /**
   * Runs `fn`, which may be async, with an adapter for each row of its batches in the place of the active one; null is the
   * base model. Those named train meanwhile, unless they are for inference. Throws for adapters that act on all rows.
   */
  withRows<T>(rows: readonly (string | null)[], fn: () => T): T {
    this.checkWhole("name adapters for rows");
    if (this.#mergedNames.length > 0) {
      throw new Error(`${this.#mergedNames.join(", ")} stands merged; call unmergeAdapter before rows have adapters`);
    }
    if (rows.length === 0) throw new Error("withAdapterNames: no name is given; name an adapter for each row");
    const named = [...new Set(rows)].filter((name) => name !== null);
    for (const name of named) this.#checkRows(name);
    const active = this.#active.name;
    return during(
      () => {
        if (active !== null) {
          this.#train(active, false);
          this.#swap(active, false);
        }
        for (const name of named) this.#train(name, this.adapter(name).trainable);
        this.#active.rows = rows;
      },
      fn,
      () => {
        this.#active.rows = null;
        for (const name of named) this.#train(name, false);
        if (active === null) return;
        this.#swap(active, true);
        this.#train(active, this.adapter(active).trainable);
      },
    );
  }

  #checkRows(name: string): void {
    const { method, prompt, swaps } = this.adapter(name);
    const what = `withAdapterNames: adapter "${name}" (${method.peftType})`;
    const advice = "use it for whole batches, with setAdapter";
    if (prompt) throw new Error(`${what} puts virtual tokens before all sequences of a batch; ${advice}`);
    if (swaps.size > 0) throw new Error(`${what} has biases or tables of its own, which all rows share; ${advice}`);
    for (const [path, wrapper] of this.#wrappers) {
      if (wrapper.has(name) && wrapper.wrapped instanceof AttentionLayer) {
        throw new Error(`${what} sits around the attention of ${path}, which takes the batch as a whole; ${advice}`);
      }
    }
  }

  #setBare(bare: boolean): void {
    this.#isBare = bare;
    const merges = bare ? [...this.#merges].reverse() : this.#merges;
    if (bare) for (const merge of merges) merge.set(false);
    if (this.#active.name !== null) this.#swap(this.#active.name, !bare);
    if (!bare) for (const merge of merges) merge.set(true);
    for (const [path, wrapper] of this.#wrappers) this.model.setSubmodule(path, bare ? wrapper.wrapped : wrapper);
  }

  /** Quantises the base model below its adapters; what they train whole or keep in their files stays. */
  quantizeBase(options: QuantizeOptions): QuantizationReport {
    this.checkWhole("quantise the base model");
    if (this.#mergedNames.length > 0) {
      throw new Error(`${this.#mergedNames.join(", ")} stands merged; call unmergeAdapter before quantising`);
    }
    const tables = new Set<Module>([...this.#adapters.values()].flatMap((adapter) => [...adapter.tables.values()]));
    const leave = (path: string): string | null => {
      if (tables.has(this.model.getSubmodule(path))) return "an adapter's file holds its weight";
      const whole = [...this.#wrappers].find(([p, w]) => !(w instanceof TunerLayer) && `${path}.`.startsWith(`${p}.`));
      return whole ? `adapters train ${whole[0]}` : null;
    };
    return this.bare(() => {
      const report = quantize(this.model, options, leave);
      for (const [path, wrapper] of this.#wrappers) {
        const module = this.model.getSubmodule(path);
        if (!(wrapper instanceof TunerLayer) || module === wrapper.wrapped) continue;
        for (const { swaps } of this.#adapters.values()) {
          for (const { places } of swaps.values()) {
            for (const place of places) if (place.owner === wrapper.wrapped) place.owner = module;
          }
        }
        wrapper.rebase(module as UnaryModule);
      }
      return report;
    });
  }

  /** What an adapter trains, by key in its file; what trains in a prompt's encoder, by its path. */
  trained(name: string): Map<string, Parameter> {
    const found = new Map<string, Parameter>();
    const { method, config, shared, prompt, swaps, tables } = this.adapter(name);
    const prefix = isPromptMethod(method) ? sharedPrefix : filePrefix;
    const fileKey = isPromptMethod(method) ? undefined : method.fileKey;
    for (const [path, wrapper] of this.#wrappers) {
      for (const [key, parameter] of wrapper.tensors(name)) {
        found.set(fileKey?.(path, key, config) ?? `${prefix}${path}.${key}`, parameter);
      }
    }
    for (const [path, parameter] of prompt?.encoder.namedParameters() ?? []) {
      found.set(`${encoderPrefix}${path}`, parameter);
    }
    for (const [key, parameter] of Object.entries(shared.parameters ?? {}))
      found.set(`${sharedPrefix}${key}`, parameter);
    for (const [key, { on }] of swaps) if (!tables.has(key)) found.set(key, on);
    return found;
  }

  /** What the adapters that act add to the loss while they train; null where there is nothing. */
  penalty(): Tensor | null {
    if (this.#isBare || this.#mergedNames.length > 0 || !isGradEnabled()) return null;
    const { name: active, rows } = this.#active;
    const penalties = [...new Set(rows ?? [active])].map((name) => (name === null ? null : this.#penaltyOf(name)));
    const [first, ...others] = penalties.filter((penalty) => penalty !== null);
    return first ? others.reduce(add, first) : null;
  }

  #penaltyOf(name: string): Tensor | null {
    const { method, config, trainable } = this.adapter(name);
    if (!trainable || isPromptMethod(method) || !method.penalty) return null;
    const found = [...this.#wrappers.values()].map((w) => (w instanceof TunerLayer ? w.get(name) : undefined));
    return method.penalty(
      config,
      found.filter((layer) => layer !== undefined),
    );
  }

  /** What an adapter's file holds of what it trained, by key: of a prompt, the rows, which the caller frees where no parameter is them. */
  filed(name: string): Map<string, Tensor> {
    const { prompt } = this.adapter(name);
    const found = new Map<string, Tensor>(this.trained(name));
    if (!prompt) return found;
    for (const key of found.keys()) if (key.startsWith(encoderPrefix)) found.delete(key);
    return found.set(
      "prompt_embeddings",
      noGrad(() => scope(() => prompt.encoder.rows())),
    );
  }

  /** The constants that an adapter's file holds, by key. */
  buffers(name: string): Map<string, Tensor> {
    const found = new Map<string, Tensor>();
    for (const [path, wrapper] of this.#wrappers) {
      if (!(wrapper instanceof TunerLayer)) continue;
      for (const [key, buffer] of wrapper.buffers(name)) found.set(`${filePrefix}${path}.${key}`, buffer);
    }
    const { buffers, savesBuffers } = this.adapter(name).shared;
    if (savesBuffers)
      for (const [key, buffer] of Object.entries(buffers ?? {})) found.set(`${sharedPrefix}${key}`, buffer);
    return found;
  }

  /**
   * What PEFT's file repeats where all biases train and whole modules do too: it takes every key that ends in `bias`, so
   * that these modules' biases stand there under their names in memory again, and the base model's beside them. `savedAs` is
   * the adapter's name when the file was written, which some of these keys hold.
   */
  repeatedBiases(name: string, savedAs: string = name): Map<string, Tensor> {
    const { method, config } = this.adapter(name);
    const found = new Map<string, Tensor>();
    if (isPromptMethod(method) || method.bias?.(config) !== "all") return found;
    for (const [path, wrapper] of this.#wrappers) {
      if (!(wrapper instanceof SavedModule)) continue;
      const originals = wrapper.originals(name);
      for (const [key, copy] of wrapper.tensors(name)) {
        if (!/(^|\.)bias$/.test(key)) continue;
        // PEFT takes the adapter's name out of a key only where nothing but one name follows.
        const inMemory = key === "bias" ? key : `${savedAs}.${key}`;
        found.set(`${filePrefix}${path}.modules_to_save.${inMemory}`, copy);
        found.set(`${filePrefix}${path}.original_module.${key}`, originals.get(key)!);
      }
    }
    return found;
  }

  /** All that an adapter holds besides what it trains and the base model's tensors. */
  constants(name: string): Set<Tensor> {
    const found = new Set<Tensor>(Object.values(this.adapter(name).shared.buffers ?? {}));
    for (const wrapper of this.#wrappers.values()) {
      const layer = wrapper instanceof TunerLayer ? wrapper.get(name) : undefined;
      for (const constant of [...Object.values(layer?.buffers ?? {}), ...(layer?.constants ?? [])]) found.add(constant);
    }
    return found;
  }

  /** The tables that an adapter's file holds, its own or the base model's, by key. */
  tables(name: string): Map<string, Parameter> {
    const { tables, swaps } = this.adapter(name);
    return new Map([...tables].map(([key, { weight }]) => [key, swaps.get(key)?.on ?? weight]));
  }

  /** Gives an adapter an embedding table of its own, in all places where the base model's stands; takes `table` over. */
  replaceTable(name: string, key: string, table: Tensor): void {
    const before = this.tables(name).get(key)!;
    const places = this.bare(() => placesOf(this.model)).get(before)!;
    const parameter = new Parameter(table, { requiresGrad: false });
    table.dispose();
    const swap = new Swap(places, parameter);
    this.adapter(name).swaps.set(key, swap);
  }

  /** What merging adapters replaces, one module at a time; `all` with what is trained whole and row by row.
   * Throws at the start where a method cannot merge, or a quantised weight is in the way. */
  *mergeSteps(names: readonly string[], all: boolean, packed: PackedMerge): Iterable<MergeStep> {
    for (const [path, wrapper] of this.#wrappers) {
      const stuck =
        wrapper instanceof TunerLayer && names.find((name) => wrapper.has(name) && !wrapper.get(name)?.merge);
      if (stuck)
        throw new Error(
          `${path}: the method of adapter "${stuck}" cannot be merged into the weights; keep it beside them`,
        );
      const touched = names.some((name) => wrapper.has(name)) && (all || wrapper instanceof TunerLayer);
      if (touched) checkPackedMerge(path, wrapper.wrapped.parameters(), packed);
    }
    const places = this.bare(() => placesOf(this.model));
    const ownersOf: OwnersOf = (module) => (places.get(module.weight) ?? [{ owner: module }]).map(({ owner }) => owner);
    for (const [path, wrapper] of this.#wrappers) {
      if (all || wrapper instanceof TunerLayer) yield* wrapper.mergeSteps(names, path, ownersOf);
    }
  }

  /** Notes weights that now stand merged in place of others. */
  setMerged(names: readonly string[], merges: readonly Swap[]): void {
    this.#mergedNames = names;
    this.#merges = merges;
    for (const wrapper of this.#wrappers.values()) if (wrapper instanceof TunerLayer) wrapper.merged = names.length > 0;
  }

  /** Puts the weights back that a merge had replaced. */
  unmerge(): void {
    for (const merge of [...this.#merges].reverse()) {
      merge.set(false);
      merge.on.dispose();
    }
    this.setMerged([], []);
  }

  /** Gives up all adapters and frees them; where `keep`, the values that the active one swaps become the model's own. */
  release(keep: boolean): void {
    const active = this.#active.name;
    const kept = keep && active !== null ? [...this.adapter(active).swaps.values()] : [];
    for (const { on, off } of kept) {
      if (!off) continue;
      using value = to(on.detach(), { dtype: off.dtype });
      copyInto(off, value);
    }
    for (const name of [...this.#adapters.keys()]) this.remove(name);
  }
}

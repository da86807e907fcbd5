import { copyInto, Generator, noGrad, type Tensor, to } from "@lowrank/core";
import { Module, type Parameter, type PromptableModel } from "@lowrank/nn";
import type { LayerRanges, PeftConfig } from "../config/peftConfig.ts";
import type { OnWarning } from "../config/warning.ts";
import { ActiveAdapter } from "../layers/activeAdapter.ts";
import { AdapterSlot, baseName, checkAdapterName, clear, free, place } from "../layers/adapterSlot.ts";
import type { AdapterStack } from "../layers/adapterStack.ts";
import { BatchRows } from "../layers/rowGroups.ts";
import type { Swap } from "../layers/swap.ts";
import { type LayerAdapter, TunerLayer } from "../layers/tunerLayer.ts";
import type { Wrappers } from "../layers/wrapper.ts";
import { methodOf } from "../methods/registry.ts";
import { type AnyMethod, isPromptMethod } from "../methods/shared/method.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";
import type { Adapter } from "./adapter/adapter.ts";
import {
  bufferTensors,
  constantTensors,
  filedTensors,
  repeatedBiases,
  tableTensors,
  trainedTensors,
} from "./adapter/adapterTensors.ts";
import { checkBare, checkPlan } from "./adapter/checkFits.ts";
import { type NewAdapter, type Plan, planAdapter } from "./adapter/planAdapter.ts";
import { runBetween } from "./evaluating.ts";
import type { Replication } from "./replication.ts";
import { WrapperSet } from "./wrapperSet.ts";

/**
 * Holds a base model and its adapters. Inserts their wrappers and parameter values into the model, and switches between
 * adapters.
 */
export class Tuner<M extends Module> extends Module {
  model: M;
  /** The encoders of prompt methods, by adapter name. `PeftModel` exposes them next to the base model, as PEFT does. */
  readonly #encoders = new AdapterSlot();
  readonly #wrappers: WrapperSet;
  readonly #adapters = new Map<string, Adapter>();
  readonly #active = new ActiveAdapter();
  /** The layers that an adapter's `layerReplication` gave the model. Null if it has its own layers. */
  replication: Replication | null = null;
  /** The last result of `batchOf`. `batchOf` returns it again if the next batch has the same adapter names. */
  #lastRows: BatchRows | null = null;
  /** The batch of the last `actOnRows` call, and the names of its adapters that are trainable. */
  #trained: { readonly rows: BatchRows; readonly names: readonly string[] } | null = null;
  /**
   * The parameters that a merge replaced, in the order of merging. Each entry contains the merged weight, which the
   * model uses, and the original weight.
   */
  #merges: readonly Swap[] = [];
  #mergedNames: readonly string[] = [];
  /**
   * Reason that changes are rejected while the model runs without wrappers, as the end of an error message. Null
   * otherwise.
   */
  #bareUntil: string | null = null;
  /**
   * Reason that changes are rejected while adapters are being merged, as the end of an error message. Null otherwise.
   * The model can run during a merge.
   */
  #aloneUntil: string | null = null;
  /**
   * Reason that changes are rejected while an adapter is being added, as the end of an error message. Null otherwise.
   * The model can run during that time, even with different adapters for the rows of a batch.
   */
  #addingUntil: string | null = null;

  /** Wraps a model. Throws if the model already contains adapters. */
  constructor(model: M) {
    super();
    checkBare(model);
    this.model = model;
    this.#wrappers = new WrapperSet(model, this.#active);
  }

  get encoders(): AdapterSlot {
    return this.#encoders;
  }

  /** The wrappers of all adapters, by the path of the module that each replaces. */
  get wrappers(): Wrappers {
    return this.#wrappers.byPath;
  }

  get adapters(): ReadonlyMap<string, Adapter> {
    return this.#adapters;
  }

  /** The active adapters. At most one, unless `stack` is set. */
  get active(): readonly string[] {
    return this.#active.names;
  }

  /** Lets several adapters be active at once. The stack defines their order on each module. */
  set stack(stack: AdapterStack) {
    this.#active.stack = stack;
  }

  /**
   * Names of the adapters that `forward` currently uses: the active ones, or the adapters of the batch's rows. Empty
   * while weights are merged, and while the model runs without adapters.
   */
  get acting(): readonly string[] {
    if (this.#bareUntil !== null || this.#mergedNames.length > 0) return [];
    return this.#active.rows?.adapters ?? this.active;
  }

  /** False while the model runs without adapters. */
  get enabled(): boolean {
    return this.#bareUntil === null;
  }

  get mergedNames(): readonly string[] {
    return this.#mergedNames;
  }

  /** Returns the adapter with this name. If there is none, throws with the names of all adapters. */
  adapter(name: string): Adapter {
    const adapter = this.#adapters.get(name);
    if (adapter) return adapter;
    throw new Error(`there is no adapter "${name}"; there are ${[...this.#adapters.keys()].join(", ") || "none"}`);
  }

  /**
   * Throws if the model currently cannot be changed: it runs without wrappers, another change is in progress, or rows
   * of its batch use different adapters. `what` describes the requested change in the message. `rows` permits the
   * change while rows use different adapters; `adding` permits the change while an adapter is being added.
   */
  checkWhole(what: string, { rows = false, adding = false }: { rows?: boolean; adding?: boolean } = {}): void {
    const reason =
      this.#aloneUntil ??
      this.#bareUntil ??
      (adding ? null : this.#addingUntil) ??
      (!rows && this.#active.rows && "inside of withAdapterNames; do it before or after");
    if (reason) throw new Error(`cannot ${what} ${reason}`);
  }

  /**
   * Adds a new, inactive adapter. Until the promise settles, the model can run but rejects other changes. If the
   * promise rejects, the model is unchanged.
   */
  async add(options: NewAdapter, onWarning: OnWarning): Promise<Adapter> {
    const { name } = options;
    this.checkWhole("add an adapter", { rows: true });
    checkAdapterName(name);
    this.#active.stack?.check(options.config.peftType);
    if (this.#adapters.has(name))
      throw new Error(`there is an adapter "${name}" already; choose another name or delete it`);
    this.#addingUntil = `while adapter "${name}" is being added; await that first`;
    const before = this.replication;
    try {
      const facts: MethodFacts<PeftConfig> = await methodOf(options.config);
      await this.#replicate(options.config, facts.replicates?.(options.config));
      const added = this.#put(await this.#plan(options, this.#addingUntil), onWarning);
      if (!options.loading) this.setBases(name);
      return added;
    } catch (error) {
      this.restoreLayers(before);
      throw error;
    } finally {
      this.#addingUntil = null;
    }
  }

  /** Replaces the model's layers for an adapter with `layerReplication`. */
  async #replicate(config: PeftConfig, ranges: LayerRanges | null = null): Promise<void> {
    if (!ranges?.length) return;
    const { replicate } = await import("./replication.ts");
    this.replication = await replicate(this, config, ranges);
  }

  /** Gives the model its former layers back, unless `before` is its replication. No adapter may be left. */
  restoreLayers(before: Replication | null): void {
    if (this.replication === before) return;
    this.replication?.restore();
    this.replication = before;
  }

  /**
   * Creates the configuration, layers and parameters of a new adapter without adding them to the model. While this
   * method reads the model, wrappers are removed and base values restored. `until` is the end of the error message for
   * changes that are attempted during that time.
   */
  async #plan(given: NewAdapter, until: string): Promise<{ name: string; method: AnyMethod; plan: Plan }> {
    const { name, config, generator = new Generator(0) } = given;
    const adaptersAt = (path: string) => {
      const wrapper = this.wrappers.get(path);
      return wrapper instanceof TunerLayer ? wrapper.adapters : new Map<string, LayerAdapter>();
    };
    const options = { ...given, generator, adaptersAt, replicated: this.replication !== null };
    const method = await methodOf(config);
    const bare = <T>(fn: () => T): T => this.#runBare(fn, until);
    if (isPromptMethod(method)) {
      const { planPrompt } = await import("./adapter/planPrompt.ts");
      return { name, method, plan: await bare(() => planPrompt(this.model, { ...options, method })) };
    }
    const layers = { ...options, method };
    const active = this.#active.rows ? [] : this.active;
    const replaced = this.#merges.length > 0 || active.some((other) => this.adapter(other).swaps.size > 0);
    if (replaced) return { name, method, plan: await bare(() => planAdapter(this.model, layers, (fn) => fn())) };
    return { name, method, plan: await planAdapter(this.model, layers, bare) };
  }

  #put({ name, method, plan }: { name: string; method: AnyMethod; plan: Plan }, onWarning: OnWarning): Adapter {
    checkPlan(plan, this.wrappers);
    for (const warning of plan.warnings) onWarning(warning);
    const { config, report, shared, prompt, swaps, tables, filePaths } = plan;
    const layers = new Map(plan.layers.map(({ path, layer }) => [path, layer]));
    const allocator = isPromptMethod(method) ? null : (method.createAllocator?.(layers, config) ?? null);
    const adapter: Adapter = {
      ...{ name, method, config, report, shared, prompt, allocator, swaps, tables, filePaths },
      trainable: true,
      halfPrecision: new Map(),
    };
    this.#adapters.set(name, adapter);
    if (this.#adapters.size === 1) this.model.setRequiresGrad(false);
    if (prompt) this.#encoders.set(name, prompt.encoder.train(this.model.training));
    for (const [key, value] of Object.entries({ ...shared.parameters, ...shared.modules })) {
      place(this, shared.paths?.[key] ?? key, name, value);
    }
    this.#wrappers.add(name, plan);
    this.#active.stack?.put(name, method.peftType, this.wrappers);
    this.#train(name, false);
    return adapter;
  }

  /**
   * Writes the base weights that an adapter's initialisation sets. `add` does it for new adapters; for an adapter of a
   * file, call it when all values are read, so that a refused file leaves the model unchanged.
   */
  setBases(name: string): void {
    this.#wrappers.setBases(name);
  }

  /** Removes an adapter and frees its tensors. A module without further adapters loses its wrapper. */
  remove(name: string): void {
    this.checkWhole("delete an adapter", { rows: !this.#active.rows?.names.includes(name) });
    this.#remove(name);
  }

  #remove(name: string): void {
    const { shared, prompt, swaps, allocator } = this.adapter(name);
    if (this.active.includes(name)) this.activate(...this.active.filter((other) => other !== name));
    this.#wrappers.remove(
      name,
      [...this.#adapters.keys()].filter((other) => other !== name),
    );
    for (const { on } of swaps.values()) free(on);
    for (const parameter of Object.values(shared.parameters ?? {})) free(parameter);
    for (const buffer of Object.values(shared.buffers ?? {})) buffer.dispose();
    for (const parameter of prompt?.encoder.parameters() ?? []) free(parameter);
    allocator?.dispose();
    shared.hook?.dispose();
    this.#encoders.delete(name);
    clear(this, name);
    this.#adapters.delete(name);
    this.#active.slots.release(name);
    this.#lastRows = null;
  }

  /**
   * Makes these adapters the active ones. Changes only which parameters require gradients, which base parameters are
   * replaced, and which virtual tokens the model uses. Only a model with a `stack` can have several active adapters.
   */
  activate(...names: readonly string[]): void {
    for (const name of names) this.adapter(name);
    if (`${this.active}` === `${names}`) return;
    this.#switch(false);
    this.#active.names = names;
    this.#switch(true);
  }

  /** Switches the active adapters' gradients, base parameters and virtual tokens on or off. */
  #switch(on: boolean): void {
    for (const name of this.active) {
      this.#swap(name, on);
      if (this.adapter(name).trainable) this.#train(name, on);
    }
  }

  /**
   * Sets whether an adapter's tensors require gradients while it is active. Throws for a prompt adapter that was loaded
   * without its encoder.
   */
  setTrainable(name: string, trainable: boolean): void {
    const adapter = this.adapter(name);
    if (trainable && adapter.prompt?.final) {
      throw new Error(
        `adapter "${name}" (${adapter.method.peftType}) cannot be trained further: its file contains the virtual tokens, but not the prompt encoder that computed them`,
      );
    }
    adapter.trainable = trainable;
    this.#trained = null;
    if ((this.#active.rows?.names ?? this.active).includes(name)) this.#train(name, trainable);
  }

  /** Sets whether an adapter's tensors require gradients now, until an adapter is activated. */
  setRequiresGradOf(name: string, value: boolean): void {
    this.checkWhole("change which tensors require gradients");
    this.#train(name, value);
  }

  #swap(name: string, on: boolean): void {
    const { swaps, prompt, shared } = this.adapter(name);
    for (const swap of swaps.values()) swap.set(on);
    shared.hook?.[on ? "attach" : "detach"](this.model);
    if (prompt) (this.model as unknown as PromptableModel).virtualTokens = on ? prompt : null;
  }

  #train(name: string, value: boolean): void {
    for (const parameter of this.trained(name).values()) parameter.requiresGrad = value;
    if (value) for (const parameter of this.frozen(name)) parameter.requiresGrad = false;
    for (const other of this.adapter(name).shared.hook?.trains ?? []) {
      if (this.#adapters.has(other)) this.#train(other, value);
    }
  }

  /** Returns the parameters among `trained` that keep their values in training, such as MiCA's B. */
  frozen(name: string): Parameter[] {
    const layers = [...this.wrappers.values()].filter((wrapper) => wrapper instanceof TunerLayer);
    const { prompt, shared } = this.adapter(name);
    return [
      ...(prompt?.encoder.frozen ?? []),
      ...(shared.frozen ?? []),
      ...layers.flatMap((layer) => layer.frozen(name)),
    ];
  }

  /**
   * Runs `fn` on the original base model: without wrappers, replaced parameters and merged weights. Calls can be
   * nested. `until` is the end of the message if `fn` tries to change the model.
   */
  bare<T>(fn: () => T, until = "inside of disableAdapter; do it before or after"): T {
    if (this.#bareUntil !== null) return fn();
    this.checkWhole(`disable adapters (name "${baseName}" for rows without one)`);
    return this.#runBare(fn, until);
  }

  #runBare<T>(fn: () => T, until: string): T {
    return runBetween(
      () => this.#setBare(until),
      fn,
      () => this.#setBare(null),
    );
  }

  /** Runs `fn` while the model rejects all changes from elsewhere. `until` is the end of the error message. */
  async alone<T>(fn: () => Promise<T>, until: string): Promise<T> {
    this.#aloneUntil = until;
    try {
      return await fn();
    } finally {
      this.#aloneUntil = null;
    }
  }

  /**
   * Makes each row of the following batches use its own adapter instead of the active one, and makes these adapters
   * trainable. Null restores the active adapter.
   */
  actOnRows(rows: BatchRows | null): void {
    const on = rows !== null;
    const acting = rows ?? this.#active.rows;
    if (on) this.#switch(false);
    for (const name of acting ? this.#trainedOf(acting) : []) this.#train(name, on);
    this.#active.rows = rows;
    const hookOf = (name: string | null) => (name === null ? undefined : this.adapter(name).shared.hook);
    const hook = acting?.adapters.map(hookOf).find((own) => own?.attachRows);
    if (on) hook?.attachRows?.(this.model, acting!.names.map(hookOf));
    else hook?.detach(this.model);
    if (!on) this.#switch(true);
  }

  /** Returns which of a batch's adapters are trainable. Cached, since consecutive batches often have the same rows. */
  #trainedOf(rows: BatchRows): readonly string[] {
    if (this.#trained?.rows !== rows) {
      this.#trained = { rows, names: rows.adapters.filter((name) => this.adapter(name).trainable) };
    }
    return this.#trained.names;
  }

  /**
   * Returns the `BatchRows` for a list of adapter names, one for each row. If the list equals the list of the last
   * call, returns the same object, so that layers can reuse values that they cached for it. Otherwise returns a new
   * object, and calls `check` for each adapter that the last list did not contain.
   */
  batchOf(rows: readonly (string | null)[], check: (name: string) => void): BatchRows {
    const last = this.#lastRows;
    if (last?.names.length === rows.length && last.names.every((name, i) => name === rows[i])) return last;
    for (const name of new Set(rows)) if (name !== null && !last?.all.has(name)) check(name);
    this.#lastRows = new BatchRows([...rows], this.#active.slots);
    return this.#lastRows;
  }

  #setBare(until: string | null): void {
    this.#bareUntil = until;
    const bare = until !== null;
    const merges = bare ? [...this.#merges].reverse() : this.#merges;
    if (bare) for (const merge of merges) merge.set(false);
    // With adapters by row, `actOnRows` has already restored the base parameters.
    for (const name of this.#active.rows ? [] : this.active) this.#swap(name, !bare);
    if (!bare) for (const merge of merges) merge.set(true);
    this.#wrappers.set(!bare);
  }

  /**
   * Returns the parameters that an adapter trains, by file key. A prompt encoder's parameters are keyed by their path.
   */
  trained(name: string): Map<string, Parameter> {
    return trainedTensors(this.adapter(name), this.wrappers);
  }

  /**
   * Returns an adapter's trained tensors as files contain them, by file key. For a prompt method, these include the
   * table of virtual tokens instead of the encoder's parameters. The caller frees tensors that are not parameters.
   */
  filed(name: string): Map<string, Tensor> {
    return filedTensors(this.adapter(name), this.wrappers);
  }

  /** Lets an adapter's layers compute what depends on values that were read from a file or another adapter. */
  async valuesRead(name: string): Promise<void> {
    for (const wrapper of this.wrappers.values()) if (wrapper instanceof TunerLayer) await wrapper.valuesRead(name);
  }

  /** Returns the tensors that an adapter does not train but that its file contains, by file key. */
  buffers(name: string): Map<string, Tensor> {
    return bufferTensors(this.adapter(name), this.wrappers);
  }

  /**
   * Returns the biases that PEFT stores a second time in an adapter's file, by file key. `savedAs` is the adapter's
   * name when the file was written, which is part of some keys.
   */
  repeatedBiases(name: string, savedAs: string = name): Map<string, Tensor> {
    return repeatedBiases(this.adapter(name), this.wrappers, savedAs);
  }

  /** Returns all tensors of an adapter that are not trained. Base model tensors are not included. */
  constants(name: string): Set<Tensor> {
    return constantTensors(this.adapter(name), this.wrappers);
  }

  /**
   * Returns the weights of embeddings and output layers that an adapter's file contains, by file key. Each is the
   * adapter's copy if there is one, otherwise the base model's parameter.
   */
  tables(name: string): Map<string, Parameter> {
    return tableTensors(this.adapter(name));
  }

  /**
   * In addition to the inherited result, yields tensors that no submodule holds: tensors that an adapter's layers
   * share, and both versions of each parameter that a swap or merge replaces.
   */
  protected override *ownTensors(): Iterable<Tensor> {
    yield* super.ownTensors();
    const swaps = [...this.#merges];
    for (const { shared, swaps: own } of this.#adapters.values()) {
      yield* Object.values(shared.parameters ?? {});
      yield* Object.values(shared.buffers ?? {});
      swaps.push(...own.values());
    }
    for (const { on, off } of swaps) yield* off ? [on, off] : [on];
  }

  /** Records which adapters were merged and which weights the merge replaced, for `unmerge`. */
  setMerged(names: readonly string[], merges: readonly Swap[]): void {
    this.#mergedNames = names;
    this.#merges = merges;
    this.#wrappers.setMerged(names.length > 0);
  }

  /** Restores the weights that a merge replaced, and frees the merged ones. */
  unmerge(): void {
    for (const merge of [...this.#merges].reverse()) {
      merge.set(false);
      merge.on.dispose();
    }
    this.setMerged([], []);
  }

  /**
   * Removes all adapters and frees them. Base parameters (biases, tables) that an active adapter in `keep` replaces
   * keep the adapter's values.
   */
  release(keep: readonly string[]): void {
    const kept = this.active.filter((name) => keep.includes(name));
    for (const { on, off } of kept.flatMap((name) => [...this.adapter(name).swaps.values()])) {
      if (!off) continue;
      using value = to(on.detach(), { dtype: off.dtype });
      noGrad(() => copyInto(off, value));
    }
    for (const name of [...this.#adapters.keys()]) this.#remove(name);
  }
}

import type { Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { WritablePlace } from "@lowrank/files";
import { Module, type Parameter, type QuantizationReport, type QuantizeInPlaceOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { type OnWarning, printWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import { type AdapterSlot, baseName } from "../layers/adapterSlot.ts";
import { type MergeOptions, type MergeReport, mergeKeys } from "../merge/mergeOptions.ts";
import { type AdaptableModel, adaptedLoss, type LossOf } from "../model/adaptedLoss.ts";
import type { NewAdapter } from "../model/adapter/planAdapter.ts";
import { allocate, allocationState, setAllocationState } from "../model/allocation.ts";
import { inTraining } from "../model/evaluating.ts";
import { withRows } from "../model/rowAdapters.ts";
import { setActive } from "../model/setActive.ts";
import { Tuner } from "../model/tuner.ts";
import {
  type AdapterFilesOptions,
  adapterFilesKeys,
  type FromPretrainedOptions,
  type LoadAdapterOptions,
  loadAdapterKeys,
  type SaveOptions,
} from "../saved/savedOptions.ts";
import type { SavedReport } from "../saved/verifySaved.ts";
import type { TargetReport } from "../targets/matchTargets.ts";
import { type WeightedAdapterOptions, type WeightedAdapterReport, weightedKeys } from "../weighted/weightedOptions.ts";
import { countParameters, describeCount } from "./countParameters.ts";
import { type AddAdapterOptions, addAdapterKeys, type SetAdapterOptions } from "./peftModelOptions.ts";

const parts = () => import("./peftModelParts.ts");

/** A base model with adapters on it. */
export class PeftModel<M extends AdaptableModel = AdaptableModel> extends Module {
  base_model: Tuner<M>;
  /** The encoders of prompt methods, which compute the virtual tokens, by adapter name. */
  readonly prompt_encoder: AdapterSlot;
  /** The report of the last `mergeAdapter` or `mergeAndUnload`, or null before the first. */
  mergeReport: MergeReport | null = null;
  readonly #onWarning: OnWarning;

  /**
   * Wraps a model that has no adapters yet. `addAdapter` and `loadAdapter` add adapters; the first adapter freezes the
   * model's parameters.
   */
  constructor(model: M, onWarning: OnWarning = printWarning) {
    super();
    this.training = model.training;
    this.base_model = new Tuner(model);
    this.base_model.training = model.training;
    this.prompt_encoder = this.base_model.encoders;
    this.#onWarning = onWarning;
  }

  /**
   * Loads an adapter from a folder, or from files in memory, onto a model. If the file and the model do not fit, throws
   * with all missing and unexpected keys and all keys with wrong shapes. The model is then unchanged.
   */
  static async fromPretrained<M extends AdaptableModel>(
    model: M,
    source: AdapterSource,
    given: FromPretrainedOptions = {},
  ): Promise<PeftModel<M>> {
    checkOptions("PeftModel.fromPretrained", given, { ...loadAdapterKeys, adapterName: true, onWarning: true });
    const { adapterName = "default", onWarning, ...options } = given;
    const peft = new PeftModel(model, onWarning);
    await peft.loadAdapter(source, adapterName, options);
    peft.setAdapter(adapterName);
    return peft;
  }

  /** The base model, including the adapters' wrappers. */
  get baseModel(): M {
    return this.base_model.model;
  }

  /** The name of the active adapter, or null. */
  get activeAdapter(): string | null {
    return this.base_model.active[0] ?? null;
  }

  /** The configuration of each adapter, by name. Its targets are resolved to full module paths. */
  get peftConfig(): ReadonlyMap<string, PeftConfig> {
    return new Map([...this.base_model.adapters].map(([name, { config }]) => [name, config]));
  }

  /**
   * The modules that the active adapter's `targetModules` matched, and the names that matched nothing. Null if no
   * adapter is active.
   */
  get targetReport(): TargetReport | null {
    return this.activeAdapter === null ? null : this.base_model.adapter(this.activeAdapter).report;
  }

  /** Runs the base model's `forward` with the adapters. */
  forward(...inputs: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return this.baseModel.forward(...inputs) as ReturnType<M["forward"]>;
  }

  /**
   * Returns the loss of the adapted model. While gradients are recorded, it includes the term that the adapter's method
   * defines, such as AdaLoRA's orthogonality penalty.
   */
  loss(...inputs: LossOf<M>["inputs"]): LossOf<M>["loss"] {
    return adaptedLoss(this.base_model, inputs);
  }

  /**
   * Reallocates AdaLoRA's ranks, or freezes clusters of AdaMSS with `useAsa`. Call it after every optimiser step and
   * before `zeroGrad`, with `globalStep` counted from 0. `Trainer` calls it for you. Does nothing for other methods.
   * Throws if gradients are missing.
   */
  async updateAndAllocate(globalStep: number): Promise<void> {
    await allocate(this.base_model, globalStep);
  }

  /**
   * Returns true if the adapter cannot be trained in a batch whose rows use different adapters. This is the case for
   * AdaLoRA and for AdaMSS with `useAsa`, which allocate only while they are the active adapter.
   */
  trainsAlone(adapterName: string): boolean {
    return Boolean(this.base_model.adapters.get(adapterName)?.allocator);
  }

  /**
   * Returns the tensors that `updateAndAllocate` needs in later steps, for a training checkpoint. The caller frees
   * them. Empty for methods that do not allocate.
   */
  allocationState(): Map<string, Tensor> {
    return allocationState(this.base_model);
  }

  /** Restores the tensors that `allocationState` returned. */
  async setAllocationState(state: ReadonlyMap<string, Tensor>): Promise<void> {
    await setAllocationState(this.base_model, state);
  }

  /**
   * Adds a new adapter next to the others. `setAdapter` activates it. The model rejects other changes until the
   * returned promise settles.
   */
  async addAdapter(adapterName: string, config: PeftConfig, options: AddAdapterOptions = {}): Promise<void> {
    checkOptions("addAdapter", options, addAdapterKeys);
    const { generator, tokenizer, signal } = options;
    const add = (given: Pick<NewAdapter, "config" | "paths">) => {
      const adapter = { ...given, name: adapterName, generator, loading: false, tokenizer, signal };
      return this.base_model.add(adapter, this.#onWarning);
    };
    if ("adapters" in config) {
      const [{ withExperts }, { loadSaved: load }] = await (await parts()).loadExperts();
      await withExperts(this.base_model, { config, load }, { signal }, this.#onWarning, add);
    } else await add({ config });
  }

  /** Loads a saved adapter next to the others. `setAdapter` activates it. If loading fails, the model is unchanged. */
  async loadAdapter(source: AdapterSource, adapterName: string, options: LoadAdapterOptions = {}): Promise<void> {
    checkOptions("loadAdapter", options, loadAdapterKeys);
    const [{ readAdapter }, { loadSaved }] = await (await parts()).loadReading();
    const saved = await readAdapter(source, options, this.#onWarning);
    await loadSaved(this.base_model, saved, adapterName, options, this.#onWarning);
    if (!options.isTrainable && inTraining(this)) this.eval();
  }

  /**
   * Replaces the values of adapter `adapterName` (default: the active one) in place by a saved adapter's values. Code
   * that holds the adapter's tensors sees the new values, and the adapter stays active or in training. LoRA adapters
   * may have other ranks and scalings: layers of another rank get new tensors, so create the optimiser again. Layers
   * that the files omit become zero. All other options must equal the old adapter's. If the files do not fit or the
   * adapter is merged, throws and changes nothing.
   */
  async hotswapAdapter(
    source: AdapterSource,
    adapterName: string = this.activeAdapter ?? "default",
    options: Pick<LoadAdapterOptions, "subfolder" | "hub"> = {},
  ): Promise<void> {
    checkOptions("hotswapAdapter", options, { subfolder: true, hub: true });
    this.base_model.checkWhole("swap an adapter's values");
    const [{ readAdapter }, { hotswapAdapter }] = await (await parts()).loadHotswap();
    const saved = await readAdapter(source, options, this.#onWarning);
    await hotswapAdapter(this.base_model, saved, adapterName, this.#onWarning);
  }

  /**
   * Makes an adapter the active one. Its tensors become trainable, and other adapters' tensors do not. An adapter
   * loaded without `isTrainable` becomes trainable only with `inferenceMode: false`. Merged weights are unmerged first,
   * with a warning.
   */
  setAdapter(adapterName: string, options: SetAdapterOptions = {}): void {
    checkOptions("setAdapter", options, { inferenceMode: true });
    setActive(this.base_model, [adapterName], options, this.#onWarning);
  }

  /**
   * Adds an adapter `adapterName` that is the weighted sum of other LoRA or (IA)³ adapters. Weights may be negative.
   * Reports how exact the sum is on each layer. The new adapter is inactive; `setAdapter` activates it. Throws for LoRA
   * adapters with DoRA, trained biases or fully trained modules, and if ranks or targets are incompatible.
   */
  async addWeightedAdapter(
    adapters: readonly string[],
    weights: readonly number[],
    adapterName: string,
    options: WeightedAdapterOptions = {},
  ): Promise<WeightedAdapterReport> {
    checkOptions("addWeightedAdapter", options, weightedKeys);
    const { addWeightedAdapter } = await (await parts()).loadWeighted();
    return addWeightedAdapter(this.base_model, adapters, weights, adapterName, options, this.#onWarning);
  }

  /** Deletes an adapter and frees its tensors. Throws if the adapter is merged. */
  deleteAdapter(adapterName: string): void {
    if (this.base_model.mergedNames.includes(adapterName)) {
      throw new Error(`adapter "${adapterName}" is merged; call unmergeAdapter before it is deleted`);
    }
    this.base_model.remove(adapterName);
  }

  /**
   * Runs `fn`, which may be async, on the original base model: without wrappers, trained biases and merged weights, so
   * that outputs are bit-identical to the base model's. Calls can be nested; adapters are in effect again when the
   * outermost call ends.
   */
  disableAdapter<T>(fn: () => T): T {
    return this.base_model.bare(fn);
  }

  /**
   * Runs `fn`, which may be async, on batches whose row i uses adapter `adapterNames[i]`, or the base model for
   * "__base__". Works for `forward`, `loss` and `generate`. During the call, `trainableParameters` yields the
   * parameters of these adapters; also call `backward` within `fn`. Throws if a batch does not have one row for each
   * name. Throws for adapters that cannot differ by row: adapters of prompt methods, adapters with trained biases, and
   * adapters that wrap attention modules (LLaMA-Adapter).
   */
  withAdapterNames<T>(adapterNames: readonly string[], fn: () => T): T {
    const rows = adapterNames.map((name) => (name === baseName ? null : name));
    return withRows(this.base_model, rows, fn);
  }

  /**
   * Quantises the base model's linear layers in place, including adapted ones. Skips modules that adapters train in
   * full. After a LoftQ initialisation, quantisation leaves the weights' values unchanged if `quantType` is "nf4",
   * `blockSize` is 64 and `doubleQuant` is off. During the call, the model runs without adapters and rejects other
   * changes. Throws while an adapter is merged.
   */
  async quantizeBase(options: QuantizeInPlaceOptions = {}): Promise<QuantizationReport> {
    const tuner = this.base_model;
    tuner.checkWhole("quantise the base model");
    if (this.isMerged) {
      throw new Error(`${tuner.mergedNames.join(", ")} is merged; call unmergeAdapter before quantising`);
    }
    return tuner.bare(async () => {
      const { quantizeBase } = await (await parts()).loadQuantizing();
      return quantizeBase(tuner, options);
    }, "while the base model is being quantised; await that first");
  }

  /** True while adapters are merged into the weights by `mergeAdapter`. */
  get isMerged(): boolean {
    return this.base_model.mergedNames.length > 0;
  }

  /**
   * Merges adapters (default: the active one) into the weights. Keeps the old weights, so that `unmergeAdapter`
   * restores them exactly. `mergeReport` contains the rounding errors. Fully trained modules and token rows are not
   * merged and stay in use. Throws and merges nothing if a value would be NaN or infinite (unless `safeMerge` is
   * false), or if a merged layer's outputs would differ from the adapted layer's (unless `verify` is false). Throws for
   * quantised weights unless `dtype` or `requantize` is set.
   */
  async mergeAdapter(options: MergeOptions<M> = {}): Promise<void> {
    checkOptions("mergeAdapter", options, mergeKeys);
    this.mergeReport = await this.#merging(async () => {
      const { mergeInPlace } = await (await parts()).loadMerging();
      return mergeInPlace(this.base_model, options);
    });
  }

  /** Restores the exact weights that a merge replaced. */
  unmergeAdapter(): void {
    this.base_model.checkWhole("unmerge");
    this.base_model.unmerge();
  }

  /**
   * Merges adapters into the base model permanently and returns it without adapters. `mergeReport` contains the
   * rounding errors. If a merged weight was tied to another module, that module keeps the old values. Before writing
   * anything, checks the merge as `mergeAdapter` does, and throws if a check fails. For a quantised model, set one of
   * two options: `dtype` returns a model without quantised weights, `requantize` quantises the merged weights as
   * before.
   */
  async mergeAndUnload(options: MergeOptions<M> = {}): Promise<M> {
    checkOptions("mergeAndUnload", options, mergeKeys);
    this.mergeReport = await this.#merging(async () => {
      const { mergePermanently } = await (await parts()).loadMerging();
      return mergePermanently(this.base_model, options);
    });
    return this.baseModel;
  }

  /** Runs a merge, during which the model rejects other changes. */
  #merging(merge: () => Promise<MergeReport>): Promise<MergeReport> {
    this.base_model.checkWhole("merge");
    return this.base_model.alone(merge, "while adapters are being merged; await that first");
  }

  /** Removes all adapters without merging them, and returns the original base model. */
  unload(): M {
    this.unmergeAdapter();
    this.base_model.release([]);
    return this.baseModel;
  }

  /** Returns an adapter's tensors, keyed as in its adapter file. Default: the active adapter. */
  adapterTensors(adapterName: string = this.activeAdapter ?? "default"): Map<string, Tensor> {
    const tuner = this.base_model;
    return new Map([
      ...tuner.filed(adapterName),
      ...tuner.buffers(adapterName),
      ...tuner.repeatedBiases(adapterName),
      ...tuner.tables(adapterName),
    ]);
  }

  /**
   * Returns the contents of adapter files in PEFT's layout, by path: the adapter "default" at the top, other adapters
   * in folders with their names. Tensors are f32, except unchanged ones that were loaded in half precision.
   */
  async adapterFiles(
    selectedAdapters: readonly string[] = [...this.base_model.adapters.keys()],
    options: AdapterFilesOptions = {},
  ): Promise<Map<string, Uint8Array | string>> {
    checkOptions("adapterFiles", options, adapterFilesKeys);
    const { filesOfAdapters } = await (await parts()).loadSaving();
    return filesOfAdapters(this.base_model, selectedAdapters, options);
  }

  /**
   * Writes the adapters' files, as `adapterFiles` returns them, to a folder: a path in Node, or `WritableFiles`. No
   * file is left half-written. With `verify`, loads each written adapter again and returns how much the model's outputs
   * differ from its outputs with the adapter in memory. Throws if rounding to `dtype` does not explain a difference.
   */
  async savePretrained(folder: WritablePlace, given: SaveOptions<M> = {}): Promise<readonly SavedReport[]> {
    checkOptions("savePretrained", given, { ...adapterFilesKeys, selectedAdapters: true, verify: true });
    const { selectedAdapters: names = [...this.base_model.adapters.keys()], verify, ...options } = given;
    const { writeAdapter } = await (await parts()).loadWriting();
    const write = async () => writeAdapter(folder, await this.adapterFiles(names, options));
    if (verify) {
      const { verifySaved } = await (await parts()).loadVerifying();
      return verifySaved(this.base_model, { folder, names, options, inputs: verify.inputs }, write, this.#onWarning);
    }
    await write();
    return [];
  }

  /** Yields the parameters that currently require gradients. */
  *trainableParameters(): Iterable<Parameter> {
    for (const parameter of this.parameters()) if (parameter.requiresGrad) yield parameter;
  }

  /** Returns the counts of trainable elements and of all elements, in the base model and adapters together. */
  getNbTrainableParameters(): { trainable: number; all: number } {
    return countParameters(this.parameters());
  }

  /** Prints the parameter counts as PEFT does. */
  printTrainableParameters(print: (line: string) => void = console.log): void {
    print(describeCount(this.getNbTrainableParameters()));
  }
}

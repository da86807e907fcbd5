import { checkOptions, Generator, type Tensor } from "@lowrank/core";
import type { WritablePlace } from "@lowrank/files";
import { Module, type Parameter, type QuantizationReport, type QuantizeInPlaceOptions } from "@lowrank/nn";
import type { PeftConfig } from "../config/peftConfig.ts";
import { type OnWarning, printWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import { type AdapterSlot, baseName } from "../layers/adapterSlot.ts";
import { type MergeOptions, mergeKeys } from "../merge/mergeOptions.ts";
import type { MergeReport } from "../merge/mergeReport.ts";
import type { AdaptableModel, LossOf } from "../model/adaptableModel.ts";
import { adaptedLoss } from "../model/adaptedLoss.ts";
import { allocate, allocationState, setAllocationState } from "../model/allocation.ts";
import { inTraining } from "../model/inTraining.ts";
import { withRows } from "../model/rowAdapters.ts";
import { Tuner } from "../model/tuner.ts";
import {
  type AdapterFilesOptions,
  adapterFilesKeys,
  type FromPretrainedOptions,
  fromPretrainedKeys,
  type LoadAdapterOptions,
  loadAdapterKeys,
  type SaveOptions,
  saveKeys,
} from "../saved/savedOptions.ts";
import type { SavedReport } from "../saved/verifySaved.ts";
import type { TargetReport } from "../targets/matchTargets.ts";
import { type WeightedAdapterOptions, type WeightedAdapterReport, weightedKeys } from "../weighted/weightedOptions.ts";
import { countParameters, describeCount } from "./countParameters.ts";
import { type AddAdapterOptions, addAdapterKeys } from "./peftModelOptions.ts";

/** A base model with adapters on it. */
export class PeftModel<M extends AdaptableModel = AdaptableModel> extends Module {
  base_model: Tuner<M>;
  /** The encoders that make the virtual tokens of prompt methods, by adapter. */
  readonly prompt_encoder: AdapterSlot;
  /** The report of the last `mergeAdapter` or `mergeAndUnload`; null before. */
  mergeReport: MergeReport | null = null;
  readonly #onWarning: OnWarning;

  /** Adapters come by `addAdapter` and `loadAdapter`; the first freezes the model. */
  constructor(model: M, onWarning: OnWarning = printWarning) {
    super();
    this.training = model.training;
    this.base_model = new Tuner(model);
    this.base_model.training = model.training;
    this.prompt_encoder = this.base_model.encoders;
    this.#onWarning = onWarning;
  }

  /**
   * Puts the adapter of a folder, or of files in memory, on a model. Throws where the file and
   * the model do not fit, with all keys that are missing, unexpected or of another shape; the
   * model is then as before.
   */
  static async fromPretrained<M extends AdaptableModel>(
    model: M,
    source: AdapterSource,
    given: FromPretrainedOptions = {},
  ): Promise<PeftModel<M>> {
    checkOptions("PeftModel.fromPretrained", given, fromPretrainedKeys);
    const { adapterName = "default", onWarning, ...options } = given;
    const peft = new PeftModel(model, onWarning);
    await peft.loadAdapter(source, adapterName, options);
    peft.setAdapter(adapterName);
    return peft;
  }

  /** The base model, with the adapters in place. */
  get baseModel(): M {
    return this.base_model.model;
  }

  /** The name of the acting adapter. */
  get activeAdapter(): string | null {
    return this.base_model.active;
  }

  /** The configurations, by adapter, with targets said in full. */
  get peftConfig(): ReadonlyMap<string, PeftConfig> {
    return new Map([...this.base_model.adapters].map(([name, { config }]) => [name, config]));
  }

  /** The modules that the active adapter's targets matched, and the names that matched none. */
  get targetReport(): TargetReport | null {
    return this.activeAdapter === null ? null : this.base_model.adapter(this.activeAdapter).report;
  }

  /** The base model's forward, adapted. */
  forward(...inputs: Parameters<M["forward"]>): ReturnType<M["forward"]> {
    return this.baseModel.forward(...inputs) as ReturnType<M["forward"]>;
  }

  /**
   * Returns the loss of the adapted model. While gradients are recorded, it includes the method's
   * own term (AdaLoRA's penalty).
   */
  loss(...inputs: LossOf<M>["inputs"]): LossOf<M>["loss"] {
    return adaptedLoss(this.base_model, inputs);
  }

  /**
   * Lets AdaLoRA give out ranks anew: to be called after every optimiser step, `globalStep`
   * counted from 0, and before `zeroGrad`; `Trainer` does. Does nothing for other methods. Throws
   * where gradients are missing.
   */
  async updateAndAllocate(globalStep: number): Promise<void> {
    await allocate(this.base_model, globalStep);
  }

  /**
   * True for an adapter that cannot train beside others in a batch, since its method gives out
   * ranks while it acts alone: AdaLoRA.
   */
  trainsAlone(adapterName: string): boolean {
    return Boolean(this.base_model.adapters.get(adapterName)?.allocator);
  }

  /**
   * Returns the state that `updateAndAllocate` carries from step to step, for a checkpoint of the
   * training; the caller frees it.
   */
  allocationState(): Map<string, Tensor> {
    return allocationState(this.base_model);
  }

  /** Takes back a state of `allocationState`. */
  async setAllocationState(state: ReadonlyMap<string, Tensor>): Promise<void> {
    await setAllocationState(this.base_model, state);
  }

  /**
   * Puts a fresh adapter beside the others; `setAdapter` makes it act. Until it is there, the
   * model refuses other changes.
   */
  async addAdapter(adapterName: string, config: PeftConfig, options: AddAdapterOptions = {}): Promise<void> {
    checkOptions("addAdapter", options, addAdapterKeys);
    const { generator = new Generator(0), tokenizer, signal } = options;
    await this.base_model.add(
      { name: adapterName, config, generator, loading: false, tokenizer, signal },
      this.#onWarning,
    );
  }

  /**
   * Puts a saved adapter beside the others; `setAdapter` makes it act. Where it
   * throws, nothing has changed.
   */
  async loadAdapter(source: AdapterSource, adapterName: string, options: LoadAdapterOptions = {}): Promise<void> {
    checkOptions("loadAdapter", options, loadAdapterKeys);
    const [{ readAdapter }, { loadSaved }] = await Promise.all([
      import("../saved/readAdapter.ts"),
      import("../saved/loadSaved.ts"),
    ]);
    const saved = await readAdapter(source, options, this.#onWarning);
    await loadSaved(this.base_model, saved, adapterName, options, this.#onWarning);
    if (!options.isTrainable && inTraining(this)) this.eval();
  }

  /**
   * Replaces the values of adapter `adapterName` (default: the active one) by those of a saved
   * adapter. It does so in place: whoever holds its tensors sees the new values, and the adapter
   * goes on acting or training. LoRA may have other ranks and scalings: layers of another rank get
   * tensors of their own, so that an optimiser is to be made anew; layers that the files leave out
   * become zero. All other options must be those of the adapter. Throws, with nothing changed,
   * where the files do not fit or it stands merged.
   */
  async hotswapAdapter(
    source: AdapterSource,
    adapterName: string = this.activeAdapter ?? "default",
    options: Pick<LoadAdapterOptions, "subfolder" | "hub"> = {},
  ): Promise<void> {
    checkOptions("hotswapAdapter", options, { subfolder: true, hub: true });
    this.base_model.checkWhole("swap an adapter's values");
    const [{ readAdapter }, { hotswapAdapter }] = await Promise.all([
      import("../saved/readAdapter.ts"),
      import("../saved/hotswapAdapter.ts"),
    ]);
    const saved = await readAdapter(source, options, this.#onWarning);
    await hotswapAdapter(this.base_model, saved, adapterName, this.#onWarning);
  }

  /**
   * Makes one adapter act; its tensors train, those of the others do not. One that was loaded
   * without `isTrainable` is not trained unless `inferenceMode` is false. Merged weights are
   * unmerged first, with a warning.
   */
  setAdapter(adapterName: string, options: { inferenceMode?: boolean } = {}): void {
    checkOptions("setAdapter", options, { inferenceMode: true });
    const { inferenceMode } = options;
    const tuner = this.base_model;
    tuner.checkWhole("set an adapter");
    tuner.adapter(adapterName);
    if (this.isMerged) {
      const message = `setAdapter: ${tuner.mergedNames.join(", ")} stood merged and was unmerged first`;
      this.#onWarning({ code: "unmerged", message });
      this.unmergeAdapter();
    }
    if (inferenceMode !== undefined) tuner.setTrainable(adapterName, !inferenceMode);
    tuner.activate(adapterName);
  }

  /**
   * Adds an adapter `adapterName` for the weighted sum of others, of LoRA or (IA)³; weights may be
   * negative. Returns its error on each layer. It does not train and is not active; `setAdapter`
   * does both. Throws for adapters that are more than products (DoRA, trained biases, modules saved
   * whole), and where ranks or targets do not go together.
   */
  async addWeightedAdapter(
    adapters: readonly string[],
    weights: readonly number[],
    adapterName: string,
    options: WeightedAdapterOptions = {},
  ): Promise<WeightedAdapterReport> {
    checkOptions("addWeightedAdapter", options, weightedKeys);
    const { addWeightedAdapter } = await import("../weighted/addWeightedAdapter.ts");
    return addWeightedAdapter(this.base_model, adapters, weights, adapterName, options, this.#onWarning);
  }

  /** Takes an adapter off the model and frees its tensors. A merged one is an error. */
  deleteAdapter(adapterName: string): void {
    if (this.base_model.mergedNames.includes(adapterName)) {
      throw new Error(`adapter "${adapterName}" is merged; call unmergeAdapter before it is deleted`);
    }
    this.base_model.remove(adapterName);
  }

  /**
   * Runs `fn`, which may be async, on the base model as it was given: bit for bit, merged weights,
   * trained biases and wrappers taken out. Nested uses end with the outermost.
   */
  disableAdapter<T>(fn: () => T): T {
    return this.base_model.bare(fn);
  }

  /**
   * Runs `fn`, which may be async, on batches in which row i has the adapter `adapterNames[i]`, or
   * none for "__base__". For forward, loss and `generate`; what trains in it is what
   * `trainableParameters` gives inside. `backward` belongs inside too. Throws where a batch has
   * another number of rows, and for adapters that act on all rows: prompt methods, trained biases,
   * adapters around attention.
   */
  withAdapterNames<T>(adapterNames: readonly string[], fn: () => T): T {
    const rows = adapterNames.map((name) => (name === baseName ? null : name));
    return withRows(this.base_model, rows, fn);
  }

  /**
   * Quantises the linear layers of the base model in place, those with adapters too: after a LoftQ
   * start, without loss where `quantType` is "nf4" and `blockSize` 64 without `doubleQuant`. What
   * adapters train whole stays. Until it is done, the model answers without adapters, and
   * refuses other changes. Throws while an adapter stands merged.
   */
  async quantizeBase(options: QuantizeInPlaceOptions = {}): Promise<QuantizationReport> {
    const tuner = this.base_model;
    tuner.checkWhole("quantise the base model");
    if (this.isMerged) {
      throw new Error(`${tuner.mergedNames.join(", ")} stands merged; call unmergeAdapter before quantising`);
    }
    return tuner.bare(async () => {
      const { quantizeBase } = await import("../model/quantizeBase.ts");
      return quantizeBase(tuner, options);
    }, "while the base model is being quantised; await that first");
  }

  /** True if merged weights stand in the model. */
  get isMerged(): boolean {
    return this.base_model.mergedNames.length > 0;
  }

  /**
   * Folds adapters (default: the active one) into the weights, with the old ones kept so that
   * `unmergeAdapter` restores them to the last bit; `mergeReport` tells the cost of rounding. What
   * is trained whole or row by row stays beside them. Throws, with nothing merged, if a value
   * would be NaN or infinite (unless `safeMerge` is false) or a layer would answer otherwise than
   * with the adapter beside it (unless `verify` is false). Throws for quantised weights without
   * `dtype` or `requantize`.
   */
  async mergeAdapter(options: MergeOptions<M> = {}): Promise<void> {
    checkOptions("mergeAdapter", options, mergeKeys);
    this.mergeReport = await this.#merging(async () => {
      const { mergeInPlace } = await import("../merge/mergeAdapters.ts");
      return mergeInPlace(this.base_model, options);
    });
  }

  /** Takes merged weights out again: the old ones, to the last bit. */
  unmergeAdapter(): void {
    this.base_model.checkWhole("unmerge");
    this.base_model.unmerge();
  }

  /**
   * Folds adapters into the base model for good and gives it back without them; `mergeReport` tells
   * its cost. A merged weight that was tied to another module becomes a weight of its own, so that
   * logits stay as they were. Checks as `mergeAdapter` does before anything is written. Of a
   * quantised model, `dtype` gives back one with full weights throughout, and `requantize` one
   * quantised as before; one of them must be said.
   */
  async mergeAndUnload(options: MergeOptions<M> = {}): Promise<M> {
    checkOptions("mergeAndUnload", options, mergeKeys);
    this.mergeReport = await this.#merging(async () => {
      const { mergePermanently } = await import("../merge/mergeAdapters.ts");
      return mergePermanently(this.base_model, options);
    });
    return this.baseModel;
  }

  /** Runs a merge; from the call on the model refuses other changes. */
  #merging(merge: () => Promise<MergeReport>): Promise<MergeReport> {
    this.base_model.checkWhole("merge");
    return this.base_model.alone(merge, "while adapters are being merged; await that first");
  }

  /** Gives back the base model as it was, without any adapter. */
  unload(): M {
    this.unmergeAdapter();
    this.base_model.release(false);
    return this.baseModel;
  }

  /** An adapter's tensors under the keys of its file. */
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
   * The files of all adapters (or of some) as PEFT lays them out: "default" at the top, others in
   * folders of their name. Numbers in memory are f32, and those of a loaded adapter are again.
   */
  async adapterFiles(
    selectedAdapters: readonly string[] = [...this.base_model.adapters.keys()],
    options: AdapterFilesOptions = {},
  ): Promise<Map<string, Uint8Array | string>> {
    checkOptions("adapterFiles", options, adapterFilesKeys);
    const { filesOfAdapters } = await import("../saved/saveAdapters.ts");
    return filesOfAdapters(this.base_model, selectedAdapters, options);
  }

  /**
   * Writes the adapters into a folder, by its path in Node or as `WritableFiles`, as
   * `adapterFiles` gives them; nothing is left half-written. With `verify`, each is read again and
   * compared with the one in memory: gives what rounding to `dtype` cost, and throws where there is
   * more to it.
   */
  async savePretrained(folder: WritablePlace, given: SaveOptions<M> = {}): Promise<readonly SavedReport[]> {
    checkOptions("savePretrained", given, saveKeys);
    const { selectedAdapters: names = [...this.base_model.adapters.keys()], verify, ...options } = given;
    const { writeAdapter } = await import("../saved/writeAdapter.ts");
    const write = async () => writeAdapter(folder, await this.adapterFiles(names, options));
    if (verify) {
      const { verifySaved } = await import("../saved/verifySaved.ts");
      return verifySaved(this.base_model, { folder, names, options, inputs: verify.inputs }, write, this.#onWarning);
    }
    await write();
    return [];
  }

  /** The parameters that train now. */
  *trainableParameters(): Iterable<Parameter> {
    for (const parameter of this.parameters()) if (parameter.requiresGrad) yield parameter;
  }

  /** Returns the number of trainable values, and of all values in base and adapters together. */
  getNbTrainableParameters(): { trainable: number; all: number } {
    return countParameters(this.parameters());
  }

  /** Prints the counts as PEFT does. */
  printTrainableParameters(print: (line: string) => void = console.log): void {
    print(describeCount(this.getNbTrainableParameters()));
  }
}

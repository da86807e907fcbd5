import { checkOptions } from "@lowrank/core/internal";
import { UnsupportedError } from "../config/checks.ts";
import type { LayerPeftConfig } from "../config/layerPeftConfig.ts";
import type { PeftConfig } from "../config/peftConfig.ts";
import { type OnWarning, printWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import { AdapterStack } from "../layers/adapterStack.ts";
import type { Place } from "../layers/swap.ts";
import { TunerLayer } from "../layers/tunerLayer.ts";
import { peftMethods } from "../methods/index.ts";
import type { LoraConfig } from "../methods/lora/loraConfig.ts";
import { methodOf } from "../methods/registry.ts";
import type { PeftMethod } from "../methods/shared/method.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";
import { setActive } from "../model/setActive.ts";
import type { Tuner } from "../model/tuner.ts";
import { type FromPretrainedOptions, loadAdapterKeys } from "../saved/savedOptions.ts";
import { defaultsOn } from "../targets/matchTargets.ts";
import { PeftModel } from "./peftModel.ts";
import type { AddAdapterOptions, SetAdapterOptions } from "./peftModelOptions.ts";

/**
 * A base model with adapters of different methods, of which several can be active at once, as PEFT's `PeftMixedModel`.
 * The methods are LoRA, LoHa, LoKr, AdaLoRA, OFT and SHiRA. On a layer with several active adapters, each method's
 * adapters are applied to the layer together with the methods that were added to it before. `setAdapter` activates
 * adapters, and all other functions of `PeftModel` are available.
 *
 * @example
 * ```ts
 * const peft = await getPeftModel(model, new LoraConfig({ r: 8 }), { mixed: PeftMixedModel, adapterName: "style" });
 * await peft.addAdapter("domain", new LoKrConfig({ r: 8 }));
 * peft.setAdapter(["style", "domain"]);
 * await peft.mergeAndUnload();
 * ```
 */
export class PeftMixedModel<M extends AdaptableModel = AdaptableModel> extends PeftModel<M> {
  readonly #stack: AdapterStack = new AdapterStack();
  readonly #onWarning: OnWarning;

  /** Wraps a model without adapters. */
  constructor(model: M, onWarning: OnWarning = printWarning) {
    super(model, onWarning);
    this.#onWarning = onWarning;
    this.base_model.stack = this.#stack;
  }

  /**
   * Loads an adapter from a folder, or from files in memory, onto a model, and activates it. `loadAdapter` loads
   * further ones. Throws for an adapter of another method.
   */
  static override async fromPretrained<M extends AdaptableModel>(
    model: M,
    source: AdapterSource,
    given: FromPretrainedOptions = {},
  ): Promise<PeftMixedModel<M>> {
    checkOptions("PeftMixedModel.fromPretrained", given, { ...loadAdapterKeys, adapterName: true, onWarning: true });
    const { adapterName = "default", onWarning, ...options } = given;
    const peft = new PeftMixedModel(model, onWarning);
    await peft.loadAdapter(source, adapterName, options);
    peft.setAdapter(adapterName);
    return peft;
  }

  /** The names of the active adapters. */
  get activeAdapters(): readonly string[] {
    return this.base_model.active;
  }

  /**
   * Adds a new adapter next to the others. `setAdapter` activates it. Without `targetModules`, it adapts LoRA's default
   * modules, for every method. Throws for a method that mixed models do not support.
   */
  override async addAdapter(adapterName: string, config: PeftConfig, options: AddAdapterOptions = {}): Promise<void> {
    this.#stack.check(config.peftType);
    await super.addAdapter(adapterName, await withLoraTargets(this.baseModel, config), options);
  }

  /**
   * Makes one adapter or several adapters the active ones. Their tensors become trainable, except adapters loaded
   * without `isTrainable`, unless `inferenceMode` is false. The order within the list matters only for adapters of one
   * method on one layer. Throws if two of the adapters replace the same module, biases or token rows, or are aLoRA
   * adapters.
   */
  override setAdapter(adapterName: string | readonly string[], options: SetAdapterOptions = {}): void {
    checkOptions("setAdapter", options, { inferenceMode: true });
    const names = typeof adapterName === "string" ? [adapterName] : [...adapterName];
    checkTogether(this.base_model, names, options);
    setActive(this.base_model, names, options, this.#onWarning);
  }

  /**
   * Deletes one adapter or several adapters and frees their tensors. Other active adapters stay active. Throws if an
   * adapter is merged or missing, and deletes none.
   */
  override deleteAdapter(adapterName: string | readonly string[]): void {
    const names = typeof adapterName === "string" ? [adapterName] : [...adapterName];
    for (const name of names) this.base_model.adapter(name);
    for (const name of names) super.deleteAdapter(name);
  }
}

/**
 * Returns a configuration without targets with LoRA's default targets on this model. PEFT's mixed models have
 * these defaults for all methods.
 */
async function withLoraTargets(model: AdaptableModel, config: PeftConfig): Promise<PeftConfig> {
  if ((config as LayerPeftConfig).targetModules !== null) return config;
  const lora = (await peftMethods.LORA()) as PeftMethod<LoraConfig>;
  const { defaultTargets } = (await methodOf(config)) as PeftMethod<PeftConfig>;
  if (defaultTargets === lora.defaultTargets) return config;
  const targetModules = defaultsOn(model, lora);
  return targetModules ? (config as LayerPeftConfig).with({ targetModules: [...targetModules] }) : config;
}

/**
 * Throws if adapters cannot be active at once: if two replace the same module, bias or token rows, if two allocate
 * ranks in training, or if two are aLoRA adapters.
 */
function checkTogether(
  tuner: Tuner<AdaptableModel>,
  names: readonly string[],
  { inferenceMode }: SetAdapterOptions,
): void {
  const refuse = (a: string, b: string, reason: string) => {
    throw new UnsupportedError(
      "not_together",
      `setAdapter: adapters "${a}" and "${b}" ${reason}; activate one of them`,
    );
  };
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new Error(`setAdapter: adapter "${twice}" is named twice; name each adapter once`);
  for (const [path, wrapper] of tuner.wrappers) {
    const here = wrapper instanceof TunerLayer ? [] : names.filter((name) => wrapper.has(name));
    if (here.length > 1) refuse(here[0], here[1], `both replace ${path}, of which the model can use one`);
  }
  const swapped: { name: string; place: Place }[] = [];
  let allocating: string | undefined;
  let invoked: string | undefined;
  for (const name of names) {
    const { swaps, allocator, trainable, shared } = tuner.adapter(name);
    if (shared.hook) {
      if (invoked !== undefined) refuse(invoked, name, "both have invocation tokens, of which the model can use one");
      invoked = name;
    }
    for (const [key, swap] of swaps) {
      const [place] = swap.places;
      const other = swapped.find((one) => one.place.owner === place.owner && one.place.key === place.key);
      if (other) refuse(other.name, name, `both replace ${key}, of which the model can use one`);
      swapped.push({ name, place });
    }
    if (!allocator || !(inferenceMode === undefined ? trainable : !inferenceMode)) continue;
    if (allocating !== undefined) refuse(allocating, name, "both allocate ranks in training");
    allocating = name;
  }
}

import { bytesSource, openSafetensors, yieldIfDue } from "@lowrank/core";
import { firstNonFinite } from "@lowrank/core/internal";
import { type MethodFacts, type OnWarning, type PeftConfig, parsePeftConfig } from "@lowrank/peft";
import { isPromptMethod, loadFact, methodOf } from "@lowrank/peft/internal";
import type { AdapterLayout, AdapterValues } from "../api/adapterProvider.ts";
import { configName } from "../storage/adapterPlace.ts";
import { adapterRefused } from "../storage/storeErrors.ts";
import { dataLengthOf, KnownLayouts } from "./knownLayouts.ts";
import type { AdapterContent } from "./readAdapter.ts";

/** Rules for the adapters of a store. */
export interface AdapterRules {
  /** Largest rank that an adapter may have. Default: any rank. */
  readonly maxLoraRank?: number;
  /** Name or path of the base model, to warn about adapters for another model. */
  readonly baseModel?: string;
}

/**
 * Checks an adapter before it is loaded, and returns its layout. Throws ServingError `adapter_refused` for a broken
 * file, a tensor that is not finite, and a method or option that would apply to all rows of a batch. `name` is the
 * adapter's name in messages.
 */
async function checkAdapter(
  { config: text, weights, folder }: AdapterContent,
  name: string,
  { maxLoraRank, baseModel }: AdapterRules,
  onWarning: OnWarning,
): Promise<AdapterLayout> {
  const what = `LoRA adapter '${name}'`;
  const config = await readConfig(text, what, onWarning);
  const problem = await servingProblem(config, what, maxLoraRank);
  if (problem !== null) throw adapterRefused(problem);
  const base = config.baseModelNameOrPath;
  if (baseModel && base && !areAlike(base, baseModel)) {
    onWarning({ code: "other-base-model", message: `${what} was made for ${base}, and ${baseModel} is served` });
  }
  return { tensors: await checkFinite(weights, folder.weights.name, what) };
}

async function readConfig(text: string, what: string, onWarning: OnWarning): Promise<PeftConfig> {
  const label = `${what}: ${configName}`;
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw adapterRefused(`${label} is not valid JSON: ${(error as Error).message}`);
  }
  return parsePeftConfig(json, { label, onWarning }).catch((error) => {
    throw adapterRefused((error as Error).message);
  });
}

/** Reads a file's header, checks that all values are finite, and returns its tensors. */
async function checkFinite(
  weights: Uint8Array<ArrayBuffer>,
  file: string,
  what: string,
): Promise<AdapterLayout["tensors"]> {
  const opened = await openSafetensors(bytesSource(weights), `${what}: ${file}`).catch((error) => {
    throw adapterRefused((error as Error).message);
  });
  const tensors = opened.names().map((key) => ({ key, ...opened.info(key) }));
  if (isFiniteAtOnce({ tensors }, weights)) return tensors;
  for (const key of opened.names()) {
    const { bytes, dtype } = await opened.read(key).catch((error) => {
      throw adapterRefused((error as Error).message);
    });
    const at = firstNonFinite(bytes, dtype);
    if (at >= 0)
      throw adapterRefused(
        `${what}: ${key} is NaN or infinite at its element ${at}; train it again, or go back to weights that are finite`,
      );
    await yieldIfDue();
  }
  return tensors;
}

/** Size in bytes up to which all tensors of a file are checked in one pass. */
const mostAtOnce = 1 << 20;

/**
 * Returns true if the file is small, all tensors have the same dtype, and all values are finite. False only means that
 * each tensor must be checked separately.
 */
export function isFiniteAtOnce(layout: AdapterLayout, { buffer, byteOffset, length }: Uint8Array): boolean {
  const { tensors } = layout;
  const size = dataLengthOf(layout);
  const start = byteOffset + length - size;
  if (size > mostAtOnce || start % 4 !== 0 || tensors.some(({ dtype }) => dtype !== tensors[0].dtype)) return false;
  return firstNonFinite(new Uint8Array(buffer, start, size), tensors[0]?.dtype ?? "F32") < 0;
}

/**
 * Returns true if two names probably mean the same model: if their last parts are equal, or if one last part begins
 * with the other. For example, the name of a GGUF file is the model's name followed by the format.
 */
function areAlike(one: string, other: string): boolean {
  const [a, b] = [lastName(one), lastName(other)];
  return a.startsWith(b) || b.startsWith(a);
}

/** Returns the last part of a repository name or path. */
function lastName(model: string): string {
  return model
    .replace(/[\\/]+$/, "")
    .split(/[\\/]/)
    .at(-1)!
    .toLowerCase();
}

/**
 * Checks adapters by a store's rules. If an adapter with the same layout (configuration and file header) was checked
 * before, checks only the tensor values.
 */
export class AdapterChecks {
  readonly #rules: AdapterRules;
  readonly #onWarning: OnWarning;
  readonly #layouts = new KnownLayouts();

  constructor(rules: AdapterRules, onWarning: OnWarning) {
    this.#rules = rules;
    this.#onWarning = onWarning;
  }

  /**
   * Checks an adapter and returns its tensor values, which share the memory of `content`. Throws ServingError
   * `adapter_refused` for an adapter that cannot be served. `name` is the adapter's name in messages.
   */
  async check(content: AdapterContent, name: string): Promise<AdapterValues> {
    const { config, weights } = content;
    const known = this.#layouts.find(config, weights);
    if (known && isFiniteAtOnce(known, weights)) return { layout: known, bytes: dataOf(known, weights) };
    let warned = false;
    const found = await checkAdapter(content, name, this.#rules, (warning) => {
      warned = true;
      this.#onWarning(warning);
    });
    // Layouts with warnings are not cached, so that each adapter gets its own warning.
    const layout = known ?? (warned ? found : this.#layouts.add(config, weights, found));
    return { layout, bytes: dataOf(layout, weights) };
  }
}

function dataOf(layout: AdapterValues["layout"], weights: Uint8Array): Uint8Array {
  return weights.subarray(weights.length - dataLengthOf(layout));
}

/**
 * Returns the reason why an adapter with this configuration cannot be served together with others; null if it can.
 * `what` names the adapter in the reason. `maxLoraRank` is the largest rank allowed; undefined means any.
 */
export async function servingProblem(
  config: PeftConfig,
  what: string,
  maxLoraRank: number | undefined,
): Promise<string | null> {
  const known = await methodOf(config);
  const method: MethodFacts<PeftConfig> = known;
  if (isPromptMethod(known)) {
    return `${what}: ${method.peftType} puts virtual tokens before all rows of a batch; serve it on a separate server without merging it, or train LoRA instead`;
  }
  if (method.readsAdapters?.(config)) {
    return `${what}: outputs depend on the other adapters of the model, which belong to other requests; use it without a server`;
  }
  if (method.replicates?.(config)?.length) {
    return `${what}: layer_replication gives the base model other layers, which all adapters share; merge it into a model of its own, and serve that`;
  }
  if (method.runsAlone) {
    return `${what}: ${method.peftType} ${method.runsAlone}, and other rows belong to other requests; use it without a server, or train LoRA instead`;
  }
  if (method.mixesRows) {
    return `${what}: outputs of ${method.peftType} depend on the other rows of the batch, so that requests would change each other's answers; use it without a server, or train LoRA instead`;
  }
  if (known.kinds.every((kind) => kind === "attention")) {
    return `${what}: ${method.peftType} wraps attention modules, which take all rows of a batch; use it without a server, or train LoRA instead`;
  }
  if (config.modulesToSave?.length) {
    const modules = config.modulesToSave.join(", ");
    return `${what}: modules_to_save is ${modules}, and all rows of a batch share these; only modules_to_save being None can be served; train LoRA on them instead`;
  }
  const start = method.startsFromWeights?.(config);
  if (start) {
    const subtraction = await loadFact(method.subtractsStart);
    const subtracts = subtraction?.refusal(config) === null;
    const fix = subtracts
      ? "save it with pathInitialModelForWeightConversion (PEFT: path_initial_model_for_weight_conversion)"
      : "merge it into the model, or train LoRA with another start";
    return `${what} started from ${start.name}, which changes the base weights for all rows; ${fix}`;
  }
  const rank = method.combines?.kind === "products" ? method.combines.rank(config) : 0;
  if (maxLoraRank !== undefined && rank > maxLoraRank) {
    return `LoRA rank ${rank} is greater than max_lora_rank ${maxLoraRank}.`;
  }
  return null;
}

import { isPacked, type Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import { type AdaptableModel, getPeftModel, type LayerAdapter, PeftConfig, type PeftModel } from "@lowrank/peft";
import { methodOf } from "@lowrank/peft/internal";
import { freeCalls, layerPaths, recordCalls } from "../../comparing/layerCalls.ts";
import { UnfitError } from "../../errors/unfitError.ts";
import { setAdapterValues } from "../../subjects/adapterValues.ts";
import { buildConfig, type ConfigDescription } from "../../subjects/configDescription.ts";
import { outputTensor } from "../../subjects/inputs.ts";
import { bytesOfTensors, type ModelSubject, restoreTensors, withSubject } from "../../subjects/subject.ts";
import { defaultValues, type PropertyOptions, propertyKeys } from "./propertyOptions.ts";

/** The configuration of a property: a configuration of @lowrank/peft, or a description of one. */
export type ConfigSubject = PeftConfig | ConfigDescription;

/** A model with one adapter, as the properties use it. */
export interface Adapted {
  readonly peft: PeftModel;
  readonly config: PeftConfig;
  /** Paths of the layers that the properties compare. */
  readonly paths: readonly string[];
  /** True if the caller owns the model, so that it must not be changed permanently. */
  readonly isOwned: boolean;
  readonly seed: number;
  /** Arguments of the model's `forward`. */
  readonly inputs: readonly unknown[];
  /** Options of a merge: quantised weights become f32. */
  readonly mergeOptions: { readonly dtype?: "f32"; readonly verify: false };
  /** Runs a model on the inputs, with gradients. */
  run(model: AdaptableModel): Tensor;
  /** Gives the base model the weights that it had before the initialisation of the adapter overwrote some. */
  restoreBase(): void;
  /** Runs a model on other inputs. */
  runOn(model: AdaptableModel, inputs: readonly unknown[]): Tensor;
}

/** Throws `UnfitError` if the method cannot merge on one of its layers. */
export function checkMerges(peft: PeftModel): void {
  for (const [path, wrapper] of peft.base_model.wrappers) {
    if (!("get" in wrapper) || typeof wrapper.get !== "function") continue;
    const layer: LayerAdapter | undefined = wrapper.get(peft.activeAdapter);
    if (layer && !layer.merge) throw new UnfitError(`the method has no merge for ${path}`);
  }
}

/** Silences warnings: the properties use unusual configurations on purpose. */
export const quiet = { onWarning: (): void => {} };

/**
 * Makes a model with an adapter whose values are random, and runs `fn`. Frees what it made; see `withSubject`. Throws
 * `UnfitError` if the adapter cannot be added to the model. `fresh` keeps the adapter's initial values.
 */
export async function withAdapter(
  property: string,
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions,
  fn: (adapted: Adapted) => Promise<void>,
  { fresh = false }: { fresh?: boolean } = {},
): Promise<void> {
  checkOptions(property, options, propertyKeys);
  const { values = defaultValues } = options;
  const resolved = config instanceof PeftConfig ? config : await buildConfig(config);
  await withSubject(model, options.inputs, async ({ model: base, inputs }) => {
    const paths = layerPaths(base);
    const isQuantized = [...base.parameters()].some(({ dtype }) => isPacked(dtype));
    const method = await methodOf(resolved);
    const overwrites = Boolean(method.startsFromWeights?.(resolved as never));
    const original = overwrites ? await bytesOfTensors(base.stateDict()) : new Map();
    const peft = (await fitting(() => getPeftModel(base, resolved, quiet))) as PeftModel;
    const runOn = (one: AdaptableModel, given: readonly unknown[]) =>
      outputTensor(base, (one.forward as (...args: readonly unknown[]) => unknown)(...given));
    const run = (one: AdaptableModel) => runOn(one, inputs);
    try {
      if (!fresh) {
        setAdapterValues(peft, values);
        // The forward pass of some methods (constrained OFT) rescales parameters that were set.
        freeCalls(recordCalls(base, paths, () => run(peft)));
      }
      await fn({
        ...{ peft, paths, inputs, isOwned: model === base, seed: values.seed, config: resolved },
        mergeOptions: { verify: false, ...(isQuantized && { dtype: "f32" }) },
        restoreBase: () => restoreTensors(base, original),
        ...{ run, runOn },
      });
    } finally {
      if (peft.activeAdapter !== null || peft.peftConfig.size > 0) peft.unload();
    }
  });
}

/** Errors of JavaScript itself, which are faults of a method and no reason for which a case does not fit. */
const faults = ["TypeError", "ReferenceError", "RangeError", "SyntaxError"];

/** Runs `fn`. Throws its error as an `UnfitError`, unless it is one of JavaScript itself. */
export async function fitting<T>(fn: () => Promise<T>): Promise<T> {
  try {
    return await fn();
  } catch (cause) {
    if (faults.includes((cause as Error).name)) throw cause;
    throw new UnfitError((cause as Error).message, { cause });
  }
}

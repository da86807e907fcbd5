import type { Generator } from "@lowrank/core";
import type { Module } from "@lowrank/nn";
import type { AdapterSource } from "./adapterFiles.ts";
import type { PackedMerge } from "./merge/packedMerge.ts";
import type { PromptTokenizer } from "./method.ts";

/** A model that adapters can be put on. */
export interface AdaptableModel extends Module {
  forward(...inputs: never[]): unknown;
}

/** What a model's `loss` takes and gives; never for a model without one. */
export type LossOf<M> = M extends { loss(...inputs: infer I): infer L }
  ? { inputs: I; loss: L }
  : { inputs: never[]; loss: never };

/** Options of `getPeftModel` and `addAdapter`. */
export interface AddAdapterOptions {
  /** Where initial values come from. Default: seed 0. */
  generator?: Generator;
  /** The model's tokenizer, for methods that start from a text. */
  tokenizer?: PromptTokenizer;
}

/** Options of `getPeftModel`. */
export interface GetPeftModelOptions extends AddAdapterOptions {
  /** Default "default". */
  adapterName?: string;
  /** Receives warnings. Default: console.warn. */
  onWarning?: (message: string) => void;
}

/** Options of `loadAdapter`. */
export interface LoadAdapterOptions {
  /** Whether the adapter is to be trained further. Default false. */
  isTrainable?: boolean;
  /** Throw where keys are missing, unexpected or of another shape. False: warn, and load what fits. Default true. */
  strict?: boolean;
  /** The folder below the source that holds the adapter. */
  subfolder?: string;
}

/** Options of `PeftModel.fromPretrained`. */
export interface FromPretrainedOptions extends LoadAdapterOptions {
  adapterName?: string;
  onWarning?: (message: string) => void;
}

/** Options of `adapterFiles`. */
export interface AdapterFilesOptions {
  /** What trained numbers are rounded to. Default: f32, or as in the file that they were loaded from and still are. */
  dtype?: "f32" | "f16" | "bf16";
  /**
   * The adapter as it was before training, for one that took its start out of the base weights (PiSSA, OLoRA): it is
   * saved as plain LoRA of twice the rank, for the base weights as they were. Only with a single adapter.
   */
  pathInitialModelForWeightConversion?: AdapterSource;
}

/** Options of `savePretrained`. */
export interface SaveOptions<M extends AdaptableModel = AdaptableModel> extends AdapterFilesOptions {
  /** Default: all adapters. */
  selectedAdapters?: readonly string[];
  /**
   * Reads what was written again, beside the adapters in memory, and compares the model's answers on inputs; the model is then as it was,
   * and must not be used meanwhile. Not with `pathInitialModelForWeightConversion`, nor while an adapter stands merged.
   */
  verify?: { inputs: Parameters<M["forward"]>[0] };
}

/** Options of `mergeAdapter` and `mergeAndUnload`. */
export interface MergeOptions<M extends AdaptableModel> extends PackedMerge {
  /** Look for NaN and infinity in every merged weight before any is written. Default true. */
  safeMerge?: boolean;
  /** Which adapters; default: the active one. */
  adapterNames?: readonly string[];
  /**
   * Compares each merged layer, on a few random inputs, with what it gave before; `mergeReport` tells the differences, and more than
   * rounding explains is an error. With inputs, the whole model is run on these before and after too. False: no layer is
   * compared.
   */
  verify?: false | { inputs: Parameters<M["forward"]>[0] };
}

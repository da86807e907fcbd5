import type { OnProgress, OptionKeys } from "@lowrank/core";
import type { HubOptions } from "@lowrank/files";
import type { OnWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import type { AdaptableModel } from "../model/adaptableModel.ts";

/** Options of `loadAdapter`. */
export interface LoadAdapterOptions {
  /** True if the adapter is to be trained further. Default false. */
  isTrainable?: boolean;
  /**
   * Throw where keys are missing, unexpected or of another shape. False: warn, and load the
   * tensors that fit. Default true.
   */
  strict?: boolean;
  /**
   * Widen f16 and bf16 to f32, as training needs it. False: factors stay as the file has them, in
   * half the memory. Not with `isTrainable`; throws for methods that compute in f32 alone. Default
   * true.
   */
  autocastAdapterDtype?: boolean;
  /** The folder below the source that holds the adapter. */
  subfolder?: string;
  /** The token, the cache and more, for hf:// addresses. */
  hub?: HubOptions;
  /**
   * Called with the bytes of the file read so far and in all, after each tensor. While a file is
   * downloaded from the Hugging Face hub, `name` is the file's.
   */
  onProgress?: OnProgress;
  /**
   * Ends a download, or the loading after the running tensor: rejects with the signal's reason,
   * with nothing changed.
   */
  signal?: AbortSignal;
}

/** Options of `PeftModel.fromPretrained`. */
export interface FromPretrainedOptions extends LoadAdapterOptions {
  adapterName?: string;
  onWarning?: OnWarning;
}

/** Options of `adapterFiles`. */
export interface AdapterFilesOptions {
  /**
   * The dtype to store trained numbers in. Default: f32, or that of the file they
   * were loaded from unchanged.
   */
  dtype?: "f32" | "f16" | "bf16";
  /**
   * The adapter before training, for one whose start changed the base weights (PiSSA, OLoRA).
   * The adapter is then saved as plain LoRA of twice the rank, for the original base weights.
   * Only with a single adapter.
   */
  pathInitialModelForWeightConversion?: AdapterSource;
}

/** Options of `savePretrained`. */
export interface SaveOptions<M extends AdaptableModel = AdaptableModel> extends AdapterFilesOptions {
  /** Default: all adapters. */
  selectedAdapters?: readonly string[];
  /**
   * Reads the written files again, beside the adapters in memory, and compares the model's answers
   * on inputs. The model is then as it was; it must not be used meanwhile. Not with
   * `pathInitialModelForWeightConversion`, nor while an adapter stands merged.
   */
  verify?: { inputs: Parameters<M["forward"]>[0] };
}

/** The names of all options of these kinds. */
export const loadAdapterKeys: OptionKeys<LoadAdapterOptions> = {
  ...({ isTrainable: true, strict: true, autocastAdapterDtype: true, subfolder: true, hub: true } as const),
  ...({ onProgress: true, signal: true } as const),
};
export const fromPretrainedKeys: OptionKeys<FromPretrainedOptions> = {
  ...loadAdapterKeys,
  adapterName: true,
  onWarning: true,
};
export const adapterFilesKeys: OptionKeys<AdapterFilesOptions> = {
  dtype: true,
  pathInitialModelForWeightConversion: true,
};
export const saveKeys: OptionKeys<SaveOptions> = { ...adapterFilesKeys, selectedAdapters: true, verify: true };

import type { OnProgress } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import type { HubOptions } from "@lowrank/files";
import type { OnWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import type { AdaptableModel } from "../model/adaptableModel.ts";

/** Options of `loadAdapter`. */
export interface LoadAdapterOptions {
  /** True if the adapter will be trained further. Default: false. */
  isTrainable?: boolean;
  /**
   * Throws if keys are missing, unexpected or have another shape. False: warns, and loads the tensors that fit.
   * Default: true.
   */
  strict?: boolean;
  /**
   * Converts f16 and bf16 to f32, which training requires. False: factors keep the file's dtype, with half the memory.
   * Cannot be combined with `isTrainable`, and throws for methods that compute only in f32. Default: true.
   */
  autocastAdapterDtype?: boolean;
  /** The folder inside of the source that contains the adapter. */
  subfolder?: string;
  /** The token, the cache and other settings for hf:// addresses. */
  hub?: HubOptions;
  /**
   * Called after each tensor with the bytes read so far and in total. During a download from the Hugging Face hub,
   * `name` is the file's name.
   */
  onProgress?: OnProgress;
  /**
   * Aborts a download, or the loading after the current tensor. The call rejects with the signal's reason and changes
   * nothing.
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
   * The dtype in which to store trained tensors. Default: f32, or the file's dtype for unchanged tensors that were
   * loaded in half precision.
   */
  dtype?: "f32" | "f16" | "bf16";
  /**
   * The adapter before training, for an initialisation that changed the base weights (PiSSA, OLoRA). The adapter is
   * then saved as plain LoRA of twice the rank, for the original base weights. Only with a single adapter.
   */
  pathInitialModelForWeightConversion?: AdapterSource;
}

/** Options of `savePretrained`. */
export interface SaveOptions<M extends AdaptableModel = AdaptableModel> extends AdapterFilesOptions {
  /** Names of the adapters to save. Default: all. */
  selectedAdapters?: readonly string[];
  /**
   * Reads the written files again and compares the model's outputs on these inputs with the outputs of the adapters
   * in memory. The model is restored afterwards and must not be used during the check. Cannot be combined with
   * `pathInitialModelForWeightConversion` or a merged adapter.
   */
  verify?: { inputs: Parameters<M["forward"]>[0] };
}

/** Names of all options. */
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

import type { OnProgress } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import type { HubOptions } from "@lowrank/files";
import type { OnWarning } from "../config/warning.ts";
import type { AdapterSource } from "../files/adapterFiles.ts";
import type { AdaptableModel } from "../model/adaptedLoss.ts";

/** Options of `loadAdapter`. */
export interface LoadAdapterOptions {
  /** True if the adapter will be trained further. Default: false. */
  isTrainable?: boolean;
  /**
   * True: throws if the file lacks keys or has unexpected ones. False: warns, and loads the tensors that match. A
   * tensor with another shape throws in both cases. Default: true.
   */
  strict?: boolean;
  /**
   * True: converts f16 and bf16 tensors to f32, which training requires. False: A and B keep the dtype of the file,
   * which halves their memory. False cannot be combined with `isTrainable`, and throws for methods that compute only in
   * f32. Default: true.
   */
  autocastAdapterDtype?: boolean;
  /** The folder, relative to the source, that contains the adapter. Default: the source itself. */
  subfolder?: string;
  /** Settings for hf:// addresses, such as the access token and the cache. */
  hub?: HubOptions;
  /**
   * Called after each tensor with the bytes read so far and in total. During a download from the Hugging Face hub,
   * `name` is the file's name.
   */
  onProgress?: OnProgress;
  /**
   * Aborts a download, or loading after the current tensor. The call then rejects with the signal's reason and changes
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
   * The dtype in which to store trained tensors. Default: f32, but tensors that were loaded in half precision and are
   * unchanged keep their dtype.
   */
  dtype?: "f32" | "f16" | "bf16";
  /**
   * The adapter before training, for an initialisation that changed the base weights (PiSSA, LoRA-GA). If given, the
   * adapter is saved as a plain LoRA of twice the rank, which fits the original base weights. Only possible for a
   * single adapter.
   */
  pathInitialModelForWeightConversion?: AdapterSource;
}

/** Options of `savePretrained`. */
export interface SaveOptions<M extends AdaptableModel = AdaptableModel> extends AdapterFilesOptions {
  /** Names of the adapters to save. Default: all. */
  selectedAdapters?: readonly string[];
  /**
   * Loads the written files again, and checks that the loaded adapters and the adapters in memory give the same outputs
   * on these inputs, except for rounding. The model is restored afterwards and must not be used during the check.
   * Cannot be combined with `pathInitialModelForWeightConversion` or a merged adapter.
   */
  verify?: { inputs: Parameters<M["forward"]>[0] };
}

/** Names of all options of `LoadAdapterOptions`. */
export const loadAdapterKeys: OptionKeys<LoadAdapterOptions> = {
  ...({ isTrainable: true, strict: true, autocastAdapterDtype: true, subfolder: true, hub: true } as const),
  ...({ onProgress: true, signal: true } as const),
};
export const adapterFilesKeys: OptionKeys<AdapterFilesOptions> = {
  dtype: true,
  pathInitialModelForWeightConversion: true,
};

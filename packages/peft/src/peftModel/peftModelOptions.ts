import type { Generator } from "@lowrank/core";
import type { OptionKeys } from "@lowrank/core/internal";
import type { OnWarning } from "../config/warning.ts";
import type { PromptTokenizer } from "../methods/shared/method.ts";
import type { PeftMixedModel } from "./peftMixedModel.ts";

/** Options of `getPeftModel` and `addAdapter`. */
export interface AddAdapterOptions {
  /** Generator of the initial values. Default: a generator with seed 0. */
  generator?: Generator;
  /** The model's tokenizer. Needed only for prompt tuning that starts from a text. */
  tokenizer?: PromptTokenizer;
  /** Aborts after the current layer. The call rejects with the signal's reason and changes nothing. */
  signal?: AbortSignal;
}

/** Options of `setAdapter`. */
export interface SetAdapterOptions {
  /** True if the adapter stays frozen while it is active. Default: as before, or as it was loaded. */
  inferenceMode?: boolean;
}

/** Options of `getPeftModel`. */
export interface GetPeftModelOptions extends AddAdapterOptions {
  /** Name of the adapter. Default: "default". */
  adapterName?: string;
  /** Receives warnings. Default: console.warn. */
  onWarning?: OnWarning;
  /**
   * `PeftMixedModel`, for a model that can have several active adapters of different methods. PEFT has `mixed=True`.
   * The class is an argument so that pages without it do not load it. Default: a `PeftModel`.
   */
  mixed?: typeof PeftMixedModel;
}

/** Names of all options of `AddAdapterOptions`, to reject unknown ones. */
export const addAdapterKeys: OptionKeys<AddAdapterOptions> = { generator: true, tokenizer: true, signal: true };

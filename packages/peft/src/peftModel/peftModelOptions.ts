import type { Generator, OptionKeys } from "@lowrank/core";
import type { OnWarning } from "../config/warning.ts";
import type { PromptTokenizer } from "../methods/shared/method.ts";

/** Options of `getPeftModel` and `addAdapter`. */
export interface AddAdapterOptions {
  /** Draws the initial values. Default: a generator of seed 0. */
  generator?: Generator;
  /** The model's tokenizer, for methods that start from a text. */
  tokenizer?: PromptTokenizer;
  /** Ends it after the running layer: rejects with the signal's reason, with nothing changed. */
  signal?: AbortSignal;
}

/** Options of `getPeftModel`. */
export interface GetPeftModelOptions extends AddAdapterOptions {
  /** Default "default". */
  adapterName?: string;
  /** Receives warnings. Default: console.warn. */
  onWarning?: OnWarning;
}

/** The names of all options of these kinds. */
export const addAdapterKeys: OptionKeys<AddAdapterOptions> = { generator: true, tokenizer: true, signal: true };
export const getPeftModelKeys: OptionKeys<GetPeftModelOptions> = {
  ...addAdapterKeys,
  adapterName: true,
  onWarning: true,
};

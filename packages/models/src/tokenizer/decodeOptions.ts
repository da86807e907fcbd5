import type { OptionKeys } from "@lowrank/core";

/** Options of `decode`. */
export interface DecodeOptions {
  /** Leave out tokens such as `</s>`. Default false. */
  skipSpecialTokens?: boolean;
}

/** The names of all options of `DecodeOptions`. */
export const decodeKeys: OptionKeys<DecodeOptions> = { skipSpecialTokens: true };

import type { OptionKeys } from "@lowrank/core/internal";

/** Options of `decode`. */
export interface DecodeOptions {
  /** Omit special tokens such as `</s>` from the text. Default false. */
  skipSpecialTokens?: boolean;
}

/** The names of the options in `DecodeOptions`. */
export const decodeKeys: OptionKeys<DecodeOptions> = { skipSpecialTokens: true };

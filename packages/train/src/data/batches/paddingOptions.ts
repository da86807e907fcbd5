import type { CollateOptions } from "../padRows.ts";
import { baseOf, type TrainableModel } from "./modelBatch.ts";

/** Padding options for a given model, whose padding token is the default. */
export interface PaddingOptions extends Omit<CollateOptions, "padTokenId"> {
  /**
   * Id of the token that pads rows on the right. Padding is never a label. Default: `padTokenId` in the model's config,
   * or 0 if the config has none. Classifiers find a row's last token by this id.
   */
  padTokenId?: number;
}

/** Returns the padding options among the options of a training or evaluation, with the default padding token. */
export function paddingOf(options: PaddingOptions, model: TrainableModel): CollateOptions {
  const { padTokenId = baseOf(model).config?.padTokenId ?? 0, padToMultipleOf, maxLength } = options;
  return { padTokenId, padToMultipleOf, maxLength };
}

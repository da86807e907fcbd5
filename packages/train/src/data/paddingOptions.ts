import { baseOf, type TrainableModel } from "./modelBatch.ts";
import type { CollateOptions } from "./padRows.ts";

/** Padding options with the model's padding token as default. */
export interface PaddingOptions extends Omit<CollateOptions, "padTokenId"> {
  /**
   * Token that pads rows on the right. Padding is never a label. Default: `padTokenId` of the model's config, with
   * which classifiers find the last token; otherwise 0, which the mask hides.
   */
  padTokenId?: number;
}

/** Returns the collation options among the options of a training or an evaluation. */
export function paddingOf(options: PaddingOptions, model: TrainableModel): CollateOptions {
  const { padTokenId = baseOf(model).config?.padTokenId ?? 0, padToMultipleOf, maxLength } = options;
  return { padTokenId, padToMultipleOf, maxLength };
}

import { baseOf, type TrainableModel } from "./modelBatch.ts";
import type { CollateOptions } from "./padRows.ts";

/** Options of padding where a model says by which token. */
export interface PaddingOptions extends Omit<CollateOptions, "padTokenId"> {
  /**
   * Fills rows on the right; it is never a label. Default: `padTokenId` of the model's config, by
   * which classifiers find the last token; else 0, which the mask hides.
   */
  padTokenId?: number;
}

/** Returns the options of collation among those of a training or an evaluation. */
export function paddingOf(options: PaddingOptions, model: TrainableModel): CollateOptions {
  const { padTokenId = baseOf(model).config?.padTokenId ?? 0, padToMultipleOf, maxLength } = options;
  return { padTokenId, padToMultipleOf, maxLength };
}

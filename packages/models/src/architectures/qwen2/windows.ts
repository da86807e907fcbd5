import type { JsonFields } from "../../config/jsonFields.ts";
import { type LayerType, readLayerTypes, windowOf } from "../../config/layerTypes.ts";

/** The config fields of a Qwen model's sliding windows. */
export interface QwenWindows {
  /**
   * Number of positions that a token of a sliding-window layer attends to, including its own; null if no layer has a
   * window.
   */
  slidingWindow: number | null;
  /**
   * A layer index that determines which layers have sliding windows if the config lists no `layer_types`. In Qwen2 and
   * Qwen3, the layers from this index on have a window. In Qwen2 MoE, the layers with an even index below it have a
   * window. Default 28.
   */
  maxWindowLayers: number;
  layerTypes: LayerType[];
}

/**
 * Reads the sliding-window fields of a Qwen config. `windowed` returns true for the index of a layer with a window. It
 * is used only if the config lists no `layer_types`.
 */
export function readQwenWindows(
  fields: JsonFields,
  layers: number,
  windowed: (layer: number, maxWindowLayers: number) => boolean = (layer, most) => layer >= most,
): QwenWindows {
  const used = fields.boolean("use_sliding_window", false) && !fields.isNull("sliding_window");
  const maxWindowLayers = fields.integer("max_window_layers", 28, 0);
  const usual = (layer: number) => (used && windowed(layer, maxWindowLayers) ? "sliding_attention" : "full_attention");
  const layerTypes = readLayerTypes(fields, layers, usual);
  if (!used && layerTypes.includes("sliding_attention")) {
    throw fields.bad(
      "layer_types",
      "full_attention for every layer, since use_sliding_window or sliding_window is off",
    );
  }
  return {
    slidingWindow: used ? fields.integer("sliding_window", 4096) : null,
    maxWindowLayers,
    layerTypes,
  };
}

/** Returns the `config.json` keys of transformers 4 for a Qwen model's sliding windows. */
export function qwenWindowsToHf(config: QwenWindows): Record<string, unknown> {
  return {
    layer_types: config.layerTypes,
    max_window_layers: config.maxWindowLayers,
    sliding_window: config.slidingWindow,
    use_sliding_window: config.slidingWindow !== null,
  };
}

/**
 * Returns the size of the sliding window and the layers that have one, for `LlamaTraits.window`. Returns undefined if
 * no layer has a window.
 */
export const qwenWindow = ({ slidingWindow, layerTypes }: QwenWindows): ReturnType<typeof windowOf> =>
  windowOf(slidingWindow, layerTypes);

import type { JsonFields } from "../../config/jsonFields.ts";
import { type LayerType, readLayerTypes, windowOf } from "../../config/layerTypes.ts";

/** The fields of a Qwen's sliding windows. */
export interface QwenWindows {
  /**
   * Number of positions that a token of a windowed layer sees, its own included; null
   * if no layer is windowed.
   */
  slidingWindow: number | null;
  /** A number of layers, from which those with windows follow where none are named. */
  maxWindowLayers: number;
  layerTypes: LayerType[];
}

/** Reads a Qwen's windows. By default the layers have them that are `windowed`. */
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

/** Returns the keys of transformers 4 for a Qwen's windows. */
export function qwenWindowsToHf(config: QwenWindows): Record<string, unknown> {
  return {
    layer_types: config.layerTypes,
    max_window_layers: config.maxWindowLayers,
    sliding_window: config.slidingWindow,
    use_sliding_window: config.slidingWindow !== null,
  };
}

/** The window of a Qwen's layers that have one. */
export const qwenWindow = ({ slidingWindow, layerTypes }: QwenWindows): ReturnType<typeof windowOf> =>
  windowOf(slidingWindow, layerTypes);

import type { JsonFields } from "./jsonFields.ts";

/** Positions that a layer's tokens attend to: all earlier ones, or only a sliding window of them. */
export type LayerType = "full_attention" | "sliding_attention";

const types: readonly unknown[] = ["full_attention", "sliding_attention"];

/** Reads `layer_types`, which lists the type of each layer. If the config has none, the types are `usual(layer)`. */
export function readLayerTypes(fields: JsonFields, layers: number, usual: (layer: number) => LayerType): LayerType[] {
  const found = fields.raw("layer_types");
  if (found === undefined) return Array.from({ length: layers }, (_, layer) => usual(layer));
  if (Array.isArray(found) && found.length === layers && found.every((type) => types.includes(type))) return found;
  throw fields.bad("layer_types", `"full_attention" or "sliding_attention" for each of ${layers} layers`);
}

/** Returns the window size and the layers that have a window; undefined if no layer has one. */
export function windowOf(
  size: number | null,
  layerTypes: readonly LayerType[],
): { size: number; has(layer: number): boolean } | undefined {
  return size === null ? undefined : { size, has: (layer) => layerTypes[layer] === "sliding_attention" };
}

import type { JsonFields } from "./jsonFields.ts";

/** The positions that a layer's tokens see: all before them, or a window of them. */
export type LayerType = "full_attention" | "sliding_attention";

const types: readonly unknown[] = ["full_attention", "sliding_attention"];

/** Reads `layer_types`: one for each layer, by default those of `usual`. */
export function readLayerTypes(fields: JsonFields, layers: number, usual: (layer: number) => LayerType): LayerType[] {
  const found = fields.raw("layer_types");
  if (found === undefined) return Array.from({ length: layers }, (_, layer) => usual(layer));
  if (Array.isArray(found) && found.length === layers && found.every((type) => types.includes(type))) return found;
  throw fields.bad("layer_types", `"full_attention" or "sliding_attention" for each of ${layers} layers`);
}

/** The window of the layers that have one. */
export function windowOf(
  size: number | null,
  layerTypes: readonly LayerType[],
): { size: number; has(layer: number): boolean } | undefined {
  return size === null ? undefined : { size, has: (layer) => layerTypes[layer] === "sliding_attention" };
}

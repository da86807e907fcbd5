import { refuse } from "./checks.ts";
import { PeftConfig, type PeftOptions, peftFields } from "./peftConfig.ts";

/** Options of methods that can be put on some of a model's numbered layers only. */
export interface LayerPeftOptions extends PeftOptions {
  /** The layers to adapt, by number; default: all. Only with a list of `targetModules`. */
  layersToTransform?: readonly number[] | number | null;
  /** The name before a layer's number, where it is not plain: "layers", "h". */
  layersPattern?: readonly string[] | string | null;
}

/**
 * The configuration of a method that can choose among numbered layers. Throws for
 * choices that PEFT refuses.
 */
export abstract class LayerPeftConfig extends PeftConfig {
  readonly layersToTransform: readonly number[] | number | null;
  readonly layersPattern: readonly string[] | string | null;

  constructor(peftType: string, options: LayerPeftOptions) {
    super(peftType, options);
    this.layersToTransform = options.layersToTransform ?? null;
    const pattern = options.layersPattern ?? null;
    this.layersPattern = pattern?.length === 0 ? null : pattern;
    const { targetModules, layersToTransform, layersPattern } = this;
    if (typeof targetModules === "string" && (layersToTransform !== null || layersPattern !== null)) {
      refuse(this, "targetModules", targetModules, "a list where layersToTransform or layersPattern is set");
    }
    if (layersPattern !== null && layersToTransform === null) {
      refuse(this, "layersToTransform", null, "set where layersPattern is");
    }
  }
}

/** Fields that choose the layers to adapt, in code. */
export const placeFields = ["targetModules", "excludeModules", "layersToTransform", "layersPattern"] as const;

/** Fields that files of all these methods hold. */
export const layerFields: readonly string[] = [...peftFields, "layers_pattern", "layers_to_transform"];

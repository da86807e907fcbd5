import { refuse } from "./checks.ts";
import { PeftConfig, type PeftOptions, peftFields } from "./peftConfig.ts";

/** Options of methods that can adapt only some of a model's numbered layers. */
export interface LayerPeftOptions extends PeftOptions {
  /** Indices of the layers to adapt; default: all. Requires a list of `targetModules`. */
  layersToTransform?: readonly number[] | number | null;
  /**
   * Name of the module list that contains the numbered layers ("layers", "h"). By default, PEFT's rule finds the layer
   * index in a path, such as 3 in "model.layers.3.mlp". Set this option only if a path contains several numbers and the
   * rule would find the wrong one.
   */
  layersPattern?: readonly string[] | string | null;
}

/**
 * Base class of configurations that can select numbered layers. Throws for combinations of options that PEFT rejects.
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
      refuse(this, "targetModules", targetModules, "a list, since layersToTransform or layersPattern is set");
    }
    if (layersPattern !== null && layersToTransform === null) {
      refuse(this, "layersToTransform", null, "set, since layersPattern is set");
    }
  }
}

/** Configuration fields that select which modules are adapted, in camelCase. */
export const placeFields = ["targetModules", "excludeModules", "layersToTransform", "layersPattern"] as const;

/** Fields, in snake_case, that adapter_config.json contains for every method that can select layers. */
export const layerFields: readonly string[] = [...peftFields, "layers_pattern", "layers_to_transform"];

/**
 * Biases of the base model that are also trained. "none": no biases. "all": all biases. Any name that ends in "_only"
 * (such as "vera_only"): only the biases of the adapted layers.
 */
export type TrainedBiases = "none" | "all" | `${string}_only`;

/** Throws if `bias` is neither "none" nor "all" and does not end in "_only". */
export function checkBias(config: PeftConfig & { bias: TrainedBiases }): void {
  const { bias } = config;
  if (bias === "none" || bias === "all" || String(bias).endsWith("_only")) return;
  refuse(config, "bias", bias, `"none", "all" or "${config.peftType.toLowerCase()}_only"`);
}

/** Returns which biases to train: "none", "all", or "layers" for a name that ends in "_only", such as "vera_only". */
export function biasMode(bias: TrainedBiases): "none" | "all" | "layers" {
  return bias === "none" || bias === "all" ? bias : "layers";
}

import { affine, type Tensor } from "@lowrank/core";
import {
  type DenseLayer,
  definePeftMethod,
  type LayerAdapter,
  LoraConfig,
  type LoraOptions,
  lora,
  type PeftMethod,
  registerPeftMethod,
} from "@lowrank/peft";

/** Changes the adapter of one layer. Receives the layer's path. */
type Plant = (layer: LayerAdapter, path: string) => LayerAdapter;

/**
 * Registers a copy of LoRA whose adapters `plant` changes, and returns its configuration class. `facts` replaces other
 * parts of the method.
 */
export function faultyLora(
  peftType: string,
  plant: Plant,
  facts: Partial<PeftMethod<LoraConfig>> = {},
): new (
  options?: LoraOptions,
) => LoraConfig {
  class FaultyConfig extends LoraConfig {
    override readonly peftType: string = peftType;
  }
  const createLayer: PeftMethod<LoraConfig>["createLayer"] = async (context) =>
    plant(await lora.createLayer(context), context.path);
  registerPeftMethod(
    definePeftMethod({
      ...{ ...lora, peftType, Config: FaultyConfig, options: lora.options },
      recipes: [
        {
          name: peftType.toLowerCase(),
          title: peftType,
          learningRate: 1e-3,
          config: ({ r, targetModules }) => new FaultyConfig({ r, loraAlpha: 2 * r, targetModules }),
        },
      ],
      createLayer,
      ...facts,
    }),
  );
  return FaultyConfig;
}

/** Replaces methods of an adapter. Other properties still come from the adapter, including its getters. */
function changed(layer: LayerAdapter, changes: Partial<LayerAdapter>): LayerAdapter {
  for (const [key, value] of Object.entries(changes)) {
    Object.defineProperty(layer, key, { value, configurable: true, writable: true });
  }
  return layer;
}

/** Multiplies what a merge adds to the weight by `factor`, in layers whose path ends in `name`. */
export function wrongMergeScale(name: string, factor: number): Plant {
  return (layer, path) => {
    if (!path.endsWith(name)) return layer;
    const merge = layer.merge?.bind(layer);
    const scaled = (base: DenseLayer, bare: DenseLayer): DenseLayer => {
      const merged = merge!(base, bare);
      const update = affine(merged.weight.sub(base.weight), { scale: factor }) as Tensor;
      return { ...merged, weight: base.weight.add(update) };
    };
    return changed(layer, { merge: scaled });
  };
}

import {
  type DenseLayer,
  definePeftMethod,
  type LayerAdapter,
  type LayerContext,
  LoraConfig,
  type LoraOptions,
  lora,
  type PeftMethod,
  registerPeftMethod,
} from "@lowrank/peft";

/** Changes the adapter of one layer. */
type Plant = (layer: LayerAdapter, context: LayerContext<LoraConfig>) => LayerAdapter;

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
  const recipe = {
    name: peftType.toLowerCase(),
    title: peftType,
    learningRate: 1e-3,
    config: ({ r, targetModules }: LoraOptions) => new FaultyConfig({ r, targetModules }),
  };
  registerPeftMethod(
    definePeftMethod({
      ...lora,
      ...{ peftType, Config: FaultyConfig, recipes: [recipe as never] },
      createLayer: async (context) => plant(await lora.createLayer(context), context),
      ...facts,
    }),
  );
  return FaultyConfig;
}

/** Replaces properties of an adapter. The others still come from the adapter, including its getters. */
export function changed(layer: LayerAdapter, changes: Partial<LayerAdapter>): LayerAdapter {
  for (const [key, value] of Object.entries(changes)) {
    Object.defineProperty(layer, key, { value, configurable: true, writable: true });
  }
  return layer;
}

/** Multiplies what a merge adds to the weight by `factor`, in layers whose path ends in `name`. */
export function wrongMergeScale(name: string, factor: number): Plant {
  return (layer, { path }) => {
    if (!path.endsWith(name)) return layer;
    const merge = layer.merge?.bind(layer);
    const scaled = (base: DenseLayer, bare: DenseLayer): DenseLayer => {
      const merged = merge!(base, bare);
      return { ...merged, weight: base.weight.add(merged.weight.sub(base.weight).mul(factor)) };
    };
    return changed(layer, { merge: scaled });
  };
}

import { type AttentionCache, type DecoderModel, KVCache } from "@lowrank/nn";
import { layerCaches } from "@lowrank/nn/internal";

type Sizes = Pick<DecoderModel, "attentionSizes">;

/** Returns a cache with layers for the model's blocks, and then for the blocks of the second decoder. */
export function cacheOfBoth(
  model: Sizes & Pick<DecoderModel, "backend">,
  second: Sizes,
  batch: number,
  capacity: number,
): KVCache {
  const perLayer = [model, second].flatMap(({ attentionSizes }) => layerCaches(attentionSizes));
  const { keyValueHeads, headDim } = model.attentionSizes;
  const sizes = { layers: perLayer.length, keyValueHeads, headDim, perLayer };
  return new KVCache({ ...sizes, batch, capacity, backend: model.backend });
}

/** Returns the part of such a cache that belongs to the second decoder. */
export function secondHalf(cache: AttentionCache, model: Sizes): AttentionCache {
  const first = layerCaches(model.attentionSizes).length;
  return {
    length: cache.length,
    update: (layer, ...rest) => cache.update(first + layer, ...rest),
    attend: (layer, ...rest) => cache.attend(first + layer, ...rest),
    earlier: (layer, ...rest) => cache.earlier(first + layer, ...rest),
    // The model itself advances the whole cache afterwards.
    advance: () => {},
  };
}

/** Sizes of what one layer stores in a cache for each token. */
export interface LayerCache {
  /** Number of heads of the layer's keys and values; 0 if the layer has no attention. */
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** Width of the rows that the layer's convolution reads again later. Default 0: the layer has no convolution. */
  readonly rowWidth?: number;
}

/** Sizes of a cache for all layers of a model. */
export interface CacheSizes {
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** The sizes of each layer, if they differ. Default: every layer has `keyValueHeads` heads of size `headDim`. */
  readonly perLayer?: readonly LayerCache[];
}

/** Returns the cache sizes of each layer. */
export function layerCaches({ layers, keyValueHeads, headDim, perLayer }: CacheSizes): readonly LayerCache[] {
  return perLayer ?? Array.from({ length: layers }, () => ({ keyValueHeads, headDim }));
}

/** The sizes of the values that one layer caches per token. */
export interface LayerCache {
  /** Heads of its keys and values; 0 for a layer without keys and values. */
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** The width of the rows that a convolution reads. Default 0: no convolution. */
  readonly rowWidth?: number;
}

/** The sizes of a cache: one set for all layers, or one per layer. */
export interface CacheSizes {
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** The sizes of each layer, if they differ. Default: all layers have the same heads. */
  readonly perLayer?: readonly LayerCache[];
}

/** Returns the cache sizes of each layer. */
export function layerCaches({ layers, keyValueHeads, headDim, perLayer }: CacheSizes): readonly LayerCache[] {
  return perLayer ?? Array.from({ length: layers }, () => ({ keyValueHeads, headDim }));
}

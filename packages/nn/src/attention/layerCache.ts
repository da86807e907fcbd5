/** The numbers that one layer keeps of each token in a cache. */
export interface LayerCache {
  /** Heads of its keys and values; 0 for a layer without keys of its own. */
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** The width of the rows that a convolution goes back to. Default 0: there is none. */
  readonly rowWidth?: number;
}

/** The sizes of a cache: those that all layers share, or each layer's. */
export interface CacheSizes {
  readonly layers: number;
  readonly keyValueHeads: number;
  readonly headDim: number;
  /** The sizes of each layer, where they differ. Default: all have the same heads. */
  readonly perLayer?: readonly LayerCache[];
}

/** Returns what each layer keeps of a token. */
export function layerCaches({ layers, keyValueHeads, headDim, perLayer }: CacheSizes): readonly LayerCache[] {
  return perLayer ?? Array.from({ length: layers }, () => ({ keyValueHeads, headDim }));
}

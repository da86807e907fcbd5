import { keep, noGrad, type Tensor } from "@lowrank/core";

interface Source {
  storage: Tensor["storage"];
  version: number;
}

/** Caches a tensor that is computed from other tensors, and computes it again after one of them was written to. */
export class CachedTensor {
  #value: Tensor | undefined;
  #sources: readonly Source[] = [];
  #factor: number | undefined;

  /** The cached tensor, which is freed with its layer. Empty before the first call of `get`. */
  get constants(): readonly Tensor[] {
    return this.#value ? [this.#value] : [];
  }

  /**
   * Returns the result of `make`. Calls it only if one of the tensors `from` or the value `factor` changed since the
   * last call. The result has no gradient.
   */
  get(from: readonly Tensor[], make: () => Tensor, factor?: number): Tensor {
    const fresh =
      this.#factor === factor &&
      this.#sources.length === from.length &&
      from.every(
        ({ storage }, i) => this.#sources[i].storage === storage && this.#sources[i].version === storage.version,
      );
    if (this.#value && fresh) return this.#value;
    this.#value?.dispose();
    this.#sources = from.map(({ storage }) => ({ storage, version: storage.version }));
    this.#factor = factor;
    this.#value = keep(noGrad(make));
    return this.#value;
  }
}

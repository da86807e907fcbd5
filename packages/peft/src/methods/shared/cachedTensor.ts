import { keep, noGrad, type Tensor } from "@lowrank/core";

interface Source {
  storage: Tensor["storage"];
  version: number;
}

/** A tensor computed from other tensors. It is recomputed after a write to one of them. */
export class CachedTensor {
  #value: Tensor | undefined;
  #sources: readonly Source[] = [];
  #factor: number | undefined;

  /** The cached tensor, to be freed with the layer; empty before the first `get`. */
  get constants(): readonly Tensor[] {
    return this.#value ? [this.#value] : [];
  }

  /**
   * Returns `make()`. Returns the cached result instead if the tensors `from` and the value `factor`, on which it
   * depends, are unchanged. No gradient flows into the result.
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

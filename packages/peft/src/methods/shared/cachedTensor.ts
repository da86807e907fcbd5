import { keep, noGrad, type Tensor } from "@lowrank/core";

interface Source {
  storage: Tensor["storage"];
  version: number;
}

/**
 * A tensor that is computed from others, and computed anew once something writes into one of these.
 */
export class CachedTensor {
  #value: Tensor | undefined;
  #sources: readonly Source[] = [];
  #factor = 1;

  /** The tensor that is held now, to be freed with the layer. */
  get constants(): readonly Tensor[] {
    return this.#value ? [this.#value] : [];
  }

  /**
   * Returns `make()`, or the last result while the tensors `from` are the same and unchanged, and
   * the number `factor` that it depends on too. No gradient flows into it.
   */
  get(from: readonly Tensor[], make: () => Tensor, factor = 1): Tensor {
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

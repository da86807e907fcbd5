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

  /** The tensor that is held now, to be freed with the layer. */
  get constants(): readonly Tensor[] {
    return this.#value ? [this.#value] : [];
  }

  /**
   * Returns `make()`, or the last result while the tensors `from` are the same and unchanged.
   * No gradient flows into it.
   */
  get(from: readonly Tensor[], make: () => Tensor): Tensor {
    const fresh =
      this.#sources.length === from.length &&
      from.every(
        ({ storage }, i) => this.#sources[i].storage === storage && this.#sources[i].version === storage.version,
      );
    if (this.#value && fresh) return this.#value;
    this.#value?.dispose();
    this.#sources = from.map(({ storage }) => ({ storage, version: storage.version }));
    this.#value = keep(noGrad(make));
    return this.#value;
  }
}

import { keep, noGrad, type Tensor } from "@lowrank/core";

interface Source {
  storage: Tensor["storage"];
  version: number;
}

/** A tensor made from others, kept for as long as nothing writes into these. */
export class Kept {
  #value: Tensor | undefined;
  #sources: readonly Source[] = [];

  /** What is kept at present. */
  get constants(): readonly Tensor[] {
    return this.#value ? [this.#value] : [];
  }

  /** What was made from the tensors `from`, made anew where one is another or was written to. No gradient flows into it. */
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

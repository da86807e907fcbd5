import { copyInto, keep, noGrad, type Tensor, zeros } from "@lowrank/core";

/** Copies of a model's buffers, from which they are restored if a step is discarded. */
export class BufferCopies implements Disposable {
  readonly #copies: readonly { buffer: Tensor; copy: Tensor }[];

  constructor(buffers: Iterable<Tensor>) {
    this.#copies = Array.from(buffers, (buffer) => {
      const { shape, dtype, storage } = buffer;
      const copy = keep(zeros(shape, { dtype, backend: storage.backend }));
      noGrad(() => copyInto(copy, buffer));
      return { buffer, copy };
    });
  }

  restore(): void {
    noGrad(() => {
      for (const { buffer, copy } of this.#copies) copyInto(buffer, copy);
    });
  }

  [Symbol.dispose](): void {
    for (const { copy } of this.#copies) copy.dispose();
  }
}

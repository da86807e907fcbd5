import { copyInto, defaultGenerator, Generator, keep, noGrad, type Tensor, zeros } from "@lowrank/core";
import type { TrainableModule } from "../data/batches/modelBatch.ts";

/** Copies of a model's buffers. If a step is discarded, the buffers are restored from them. */
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

/**
 * Returns the random generators that a model uses, for example for dropout, in the order of its modules. If `own` is
 * true (the training uses a custom task), the list begins with the default generator, since custom code may use it.
 */
export function generatorsOf(model: TrainableModule, own: boolean): Generator[] {
  const found = new Set<Generator>(own ? [defaultGenerator] : []);
  for (const [, module] of model.namedModules()) {
    const { generator } = module as { generator?: unknown };
    if (generator instanceof Generator) found.add(generator);
  }
  return [...found];
}

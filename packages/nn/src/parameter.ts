import { keep, Tensor } from "@lowrank/core";

/** A tensor that a module owns: listed by `namedParameters`, saved in state dicts, trained while it requires gradients. */
export class Parameter extends Tensor {
  /** Shares the memory of `data`. */
  constructor(data: Tensor, options: { requiresGrad?: boolean } = {}) {
    super(data.storage.retain(), data.shape, data.dtype);
    keep(this);
    this.requiresGrad = options.requiresGrad ?? true;
  }
}

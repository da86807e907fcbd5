import { isPacked, keep, Tensor } from "@lowrank/core";

/**
 * A tensor that a module owns: listed by `namedParameters`, saved in state dicts, trained
 * while it requires gradients.
 */
export class Parameter extends Tensor {
  /**
   * Shares the memory of `data`. Requires gradients by default, unless `data`
   * is packed, which cannot.
   */
  constructor(data: Tensor, options: { requiresGrad?: boolean } = {}) {
    super(data.storage.retain(), data);
    keep(this);
    this.requiresGrad = options.requiresGrad ?? !isPacked(data.dtype);
  }
}

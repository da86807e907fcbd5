import { keep, Tensor } from "@lowrank/core";

/**
 * A tensor that a module keeps but does not train, such as a running mean: saved in state dicts and
 * moved by `to`. PyTorch's `nn.Buffer`.
 */
export class ModuleBuffer extends Tensor {
  /** Shares the memory of `data`. */
  constructor(data: Tensor) {
    super(data.storage.retain(), data.spec());
    keep(this);
  }
}

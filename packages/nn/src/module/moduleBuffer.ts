import { keep, Tensor } from "@lowrank/core";

/**
 * A tensor that belongs to a module but is not trained, such as a running mean. It is saved in state dicts and moved by
 * `to`, as PyTorch's `nn.Buffer`.
 */
export class ModuleBuffer extends Tensor {
  /** Creates a buffer that shares the memory of `data`. */
  constructor(data: Tensor) {
    super(data.storage.retain(), data.spec());
    keep(this);
  }
}

import { getFloat32MatmulPrecision, isPacked, keep, type MatmulPrecision, Tensor } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";

/**
 * A tensor that a module owns: listed by `namedParameters`, saved in state dicts, and trained while it requires
 * gradients.
 */
export class Parameter extends Tensor {
  /**
   * Lowest precision that matrix products may use for this parameter while it is frozen. Default: the precision set by
   * `setFloat32MatmulPrecision`.
   */
  precision?: MatmulPrecision;

  /**
   * Creates a parameter that shares the memory of `data`. `requiresGrad` defaults to true, or to false if `data` is
   * packed (quantised): packed tensors cannot be trained.
   */
  constructor(data: Tensor, options: { requiresGrad?: boolean } = {}) {
    if (!(data instanceof Tensor)) throw new Error("Parameter: it takes a tensor, as in new Parameter(zeros([2, 3]))");
    checkOptions("Parameter", options, { requiresGrad: true });
    super(data.storage.retain(), data);
    keep(this);
    this.requiresGrad = options.requiresGrad ?? !isPacked(data.dtype);
  }

  override notePrecision(): void {
    const precision = this.requiresGrad ? "highest" : (this.precision ?? getFloat32MatmulPrecision());
    this.storage.buffer.precision = precision;
  }

  override toString(): string {
    return `Parameter containing:\n${super.toString()}`;
  }
}

/** Throws unless `value` is a parameter. `example` is code that creates such a layer, for the error message. */
export function expectParameter(layer: string, name: string, value: unknown, example: string): void {
  if (value instanceof Parameter) return;
  const given = value instanceof Tensor ? "a tensor that is no Parameter" : String(value);
  throw new Error(`${layer}: ${name} is ${given}; make the layer as ${example}`);
}

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

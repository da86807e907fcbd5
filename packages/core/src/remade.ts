import type { GraphNode, Recorded } from "./graph.ts";
import { runOp } from "./runOp.ts";
import { Tensor } from "./tensor.ts";

/**
 * The result of a cheap op, computed again from what the op saved when a gradient needs it: nobody holds it between the
 * passes. Counted by the nodes that would have saved it, and gone with the last. Chen et al. 2016, arXiv:1604.06174.
 */
export class Remade {
  readonly #node: GraphNode;
  readonly #op: Recorded;
  #users = 0;
  #value: Tensor | null = null;

  private constructor(node: GraphNode, op: Recorded) {
    this.#node = node;
    this.#op = op;
  }

  /** What stands for a saved tensor; null where its op is not cheap or has not saved all that it was made of. */
  static of({ node }: Tensor): Remade | null {
    const op = node?.op;
    if (!op?.definition.cheap || !op.inputs.every((_, i) => op.savedInputs[i])) return null;
    op.remade ??= new Remade(node as GraphNode, op);
    op.remade.#users++;
    return op.remade;
  }

  get value(): Tensor {
    if (!this.#value) {
      const { definition, outputs, params } = this.#op;
      const [storage] = runOp(definition, savedValues(this.#op.savedInputs), outputs, params);
      this.#value = new Tensor(storage, outputs[0], this.#node, 0, false);
    }
    return this.#value;
  }

  /** What the op saved is about to go: those who still need the result get it now. */
  settle(): void {
    if (this.#users > 0) void this.value;
  }

  /** One user less. */
  dispose(): void {
    if (--this.#users > 0) return;
    this.#value?.dispose();
    this.#value = null;
  }
}

/** The tensors that saved inputs stand for. */
export function savedValues(saved: Recorded["savedInputs"]): Tensor[] {
  return saved.map((one) => (one instanceof Remade ? one.value : one) as Tensor);
}

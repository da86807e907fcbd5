import { formatShape } from "../layout/shape.ts";
import type { GraphNode, Recorded } from "./graph.ts";
import { runOp } from "./runOp.ts";
import { Tensor } from "./tensor.ts";

/**
 * A placeholder for the result of a cheap op that later nodes need for their gradients. The result is not stored after
 * the forward pass, but computed again from the op's saved inputs on first use. Its reference count is the number of
 * nodes that use it; at zero it is freed. Chen et al. 2016, arXiv:1604.06174.
 */
export class Recomputed {
  readonly #node: GraphNode;
  readonly #op: Recorded;
  #users = 0;
  #value: Tensor | null = null;

  private constructor(node: GraphNode, op: Recorded) {
    this.#node = node;
    this.#op = op;
  }

  /**
   * Returns a placeholder for a tensor that is about to be saved, and adds 1 to its reference count. Returns null if
   * the tensor cannot be recomputed: its op is not cheap, did not save all its inputs, or an input or the result was
   * overwritten since.
   */
  static of({ node, storage }: Tensor): Recomputed | null {
    const op = node?.op;
    if (!op?.definition.cheap || storage.version > op.savedAt) return null;
    for (let i = 0; i < op.inputs.length; i++) {
      const saved = op.savedInputs[i];
      if (!saved || (saved instanceof Tensor && saved.storage.version > op.savedAt)) return null;
    }
    op.recomputed ??= new Recomputed(node as GraphNode, op);
    op.recomputed.#users++;
    return op.recomputed;
  }

  /**
   * The result, computed if necessary. If inputs must be recomputed before, a loop does this instead of recursion, so
   * that long chains do not overflow the call stack.
   */
  get value(): Tensor {
    const pending: Recomputed[] = [this];
    for (let next: Recomputed | undefined = this; next; next = pending[pending.length - 1]) {
      const missing = next.#value ? undefined : next.#op.savedInputs.find(isMissing);
      if (missing) {
        pending.push(missing);
      } else {
        next.#value ??= next.#compute();
        pending.pop();
      }
    }
    return this.#value as Tensor;
  }

  #compute(): Tensor {
    const { definition, outputs, params } = this.#op;
    const [storage] = runOp(definition, savedInputsOf(this.#op), outputs, params);
    return new Tensor(storage, outputs[0], { node: this.#node, index: 0 }, false);
  }

  /**
   * Computes the result now if graph nodes still use it. Called before the saved values from which the result is
   * computed are freed.
   */
  settle(): void {
    if (this.#users > 0) void this.value;
  }

  /** Decreases the reference count. At zero, frees the result. */
  dispose(): void {
    if (--this.#users > 0) return;
    this.#value?.dispose();
    this.#value = null;
  }

  /** True if the result has been computed and not freed. */
  get isComputed(): boolean {
    return this.#value !== null;
  }
}

function isMissing(saved: Tensor | Recomputed | undefined): saved is Recomputed {
  return saved instanceof Recomputed && !saved.isComputed;
}

/** Returns the inputs that an op saved. Throws if a later op has overwritten one of them. */
export function savedInputsOf(op: Recorded): Tensor[] {
  return op.savedInputs.map((saved, i) => {
    if (saved instanceof Recomputed) return saved.value;
    return checked(op, "input", i, saved);
  });
}

/** Returns the outputs that an op saved. Throws if a later op has overwritten one of them. */
export function savedOutputsOf(op: Recorded): Tensor[] {
  return op.savedOutputs.map((saved, i) => checked(op, "output", i, saved));
}

function checked({ definition, savedAt }: Recorded, what: string, i: number, saved: Tensor | undefined): Tensor {
  if (saved && saved.storage.version > savedAt) {
    const value = `${what} ${i} ${formatShape(saved.shape)}`;
    throw new Error(
      `backward: ${definition.name} saved its ${value} for the gradient, and ${saved.storage.writer} has written to it since; run backward before that, or write to a copy`,
    );
  }
  return saved as Tensor;
}

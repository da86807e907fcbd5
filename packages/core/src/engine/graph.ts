import type { TensorSpec } from "../backends/backend.ts";
import type { Holding } from "./holding.ts";
import type { OpDefinition } from "./op.ts";
import type { Recomputed } from "./recomputed.ts";
import type { Tensor } from "./tensor.ts";

/** The next stop of a gradient in the backward graph: output `index` of `node`. */
export interface Edge {
  readonly node: GraphNode;
  readonly index: number;
}

/** A recorded op and the values that its gradient needs. `undefined` marks a value that was not saved. */
export interface Recorded {
  readonly definition: OpDefinition<unknown>;
  readonly params: unknown;
  readonly edges: readonly (Edge | null)[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  savedInputs: readonly (Tensor | Recomputed | undefined)[];
  savedOutputs: readonly (Tensor | undefined)[];
  /** Value of `writeClock` when the op saved its values. A later write into one of them makes the gradient wrong. */
  readonly savedAt: number;
  /** The recomputation of its result, if other nodes rely on recomputing it instead of saving it. */
  recomputed?: Recomputed;
}

/** The saved values of an op that saves no values. */
export const nothingSaved: readonly never[] = [];

let nextId = 0;

/** Returns the id that the next node will get. All later nodes have this id or a higher one. */
export function graphClock(): number {
  return nextId;
}

/**
 * A step of the recorded computation: either an op, or a leaf that collects its gradient. Its reference count covers
 * the tensors it produced and the nodes that consume it. At zero it releases its saved values.
 */
export class GraphNode {
  /** Ids grow with creation, so gradients can flow through nodes in descending order of id. */
  readonly id: number = nextId++;
  readonly leaf: Tensor | null;
  readonly op: Recorded | null;
  /** The `Holding` of the last tensor that it produced; `earlier` links to the preceding ones. */
  result: Holding | null = null;
  /** True once a backward pass has freed the saved values of this node. */
  freed = false;
  #references = 0;
  /** True once it has released the nodes before it. */
  #letGo = false;

  constructor(leaf: Tensor | null, op: Recorded | null) {
    this.leaf = leaf;
    this.op = op;
    if (op) for (const edge of op.edges) edge?.node.retain();
  }

  retain(): void {
    this.#references++;
  }

  release(): void {
    if (--this.#references > 0 || !this.op) return;
    let unused: GraphNode[] | null = null;
    for (let node: GraphNode | undefined = this; node?.op; node = unused?.pop()) {
      // A result of the node may have been used again after a backward pass.
      if (node.#letGo) continue;
      node.#letGo = true;
      node.freeSaved();
      for (const edge of node.op.edges) {
        if (!edge || --edge.node.#references > 0 || !edge.node.op) continue;
        if (unused) unused.push(edge.node);
        else unused = [edge.node];
      }
    }
  }

  /**
   * Detaches its results from the graph after a backward pass that went to all leaves. The steps before it have no
   * saved values left, so the results need not keep those steps alive.
   */
  leaveResults(): void {
    for (let holding = this.result; holding; holding = holding.earlier) holding.leaveNode();
  }

  /** Frees the saved values. Gradients can no longer flow through this node. */
  freeSaved(): void {
    if (this.freed || !this.op) return;
    this.freed = this.op.savedInputs.length + this.op.savedOutputs.length > 0;
    this.op.recomputed?.settle();
    for (const saved of this.op.savedInputs) saved?.dispose();
    for (const saved of this.op.savedOutputs) saved?.dispose();
    this.op.savedInputs = nothingSaved;
    this.op.savedOutputs = nothingSaved;
  }
}

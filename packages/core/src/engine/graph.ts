import type { TensorSpec } from "../backends/backend.ts";
import type { Holding } from "./holding.ts";
import type { OpDefinition } from "./op.ts";
import type { Recomputed } from "./recomputed.ts";
import type { Tensor } from "./tensor.ts";

/** A link in the backward graph: a gradient flows to output `index` of `node`. */
export interface Edge {
  readonly node: GraphNode;
  readonly index: number;
}

/**
 * A recorded op, with the tensors that it saved for its gradient. An input or output that was not saved is `undefined`.
 */
export interface Recorded {
  readonly definition: OpDefinition<unknown>;
  readonly params: unknown;
  readonly edges: readonly (Edge | null)[];
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  savedInputs: readonly (Tensor | Recomputed | undefined)[];
  savedOutputs: readonly (Tensor | undefined)[];
  /**
   * Value of `writeClock` when the op saved its tensors. If one of them is written to later, the gradient would be
   * wrong.
   */
  readonly savedAt: number;
  /**
   * A placeholder for the op's result, which later nodes save instead of the result. It recomputes the result when one
   * of these nodes needs it. Undefined if no node uses a placeholder.
   */
  recomputed?: Recomputed;
}

/** The list of saved tensors for ops that save none. */
export const nothingSaved: readonly never[] = [];

let nextId = 0;

/** Returns the id that the next node will get. Ids increase. */
export function graphClock(): number {
  return nextId;
}

/**
 * A node of the recorded graph: an op, or a leaf that collects a gradient. It counts references: one for each tensor
 * that it produced, and one for each node that uses its outputs. At zero, the saved values are freed.
 */
export class GraphNode {
  /** Ids increase with creation, so a backward pass can visit nodes in descending order. */
  readonly id: number = nextId++;
  readonly leaf: Tensor | null;
  readonly op: Recorded | null;
  /** The last tensor that the node produced. Earlier ones form a linked list, through `Holding.earlier`. */
  result: Holding | null = null;
  /** True once a backward pass has freed the saved values of this node. */
  freed = false;
  #references = 0;
  /** True once the node has released its references to the nodes that made its inputs. */
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
   * Detaches the node's results from the graph, so that they do not keep earlier nodes alive. Call it after a backward
   * pass that reached all leaves: earlier nodes have then freed the values that a second pass would need.
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

import type { TensorSpec } from "../backends/backend.ts";
import type { Holding } from "./holding.ts";
import type { OpDefinition } from "./op.ts";
import type { Recomputed } from "./recomputed.ts";
import type { Tensor } from "./tensor.ts";

/** The place that a gradient flows to next: output `index` of `node`. */
export interface Edge {
  readonly node: GraphNode;
  readonly index: number;
}

/**
 * A recorded op and the values that its gradient needs; `undefined` where a value was not saved.
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
   * The time by `writeClock` when it saved them: later writes into them make the gradient wrong.
   */
  readonly savedAt: number;
  /** Its result, where nodes that use it count on it to be computed again. */
  recomputed?: Recomputed;
}

/** The saved values of an op that saves none. */
export const nothingSaved: readonly never[] = [];

let nextId = 0;

/** The id that the next node will get: nodes made from now on are not below it. */
export function graphClock(): number {
  return nextId;
}

/**
 * A step of the recorded computation: either an op, or a leaf that collects its gradient.
 * It is counted by the tensors it produced and the nodes that consume it; at zero it
 * lets go of what it saved.
 */
export class GraphNode {
  /** Grows with creation, so descending ids are an order in which gradients can flow. */
  readonly id: number = nextId++;
  readonly leaf: Tensor | null;
  readonly op: Recorded | null;
  /** The hold of the last tensor that it produced, from which those before follow. */
  result: Holding | null = null;
  /** True once a backward pass freed what this node had saved. */
  freed = false;
  #references = 0;
  /** True once it no longer counts on the nodes before it. */
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
      // Its result may have been used again after a backward pass.
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
   * Lets go of its results after a backward pass that went to all leaves: the steps before it have
   * nothing left to free, so those who hold a result need not hold them.
   */
  leaveResults(): void {
    for (let holding = this.result; holding; holding = holding.earlier) holding.leaveNode();
  }

  /** Gives back the saved values; gradients can no longer flow through this node. */
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

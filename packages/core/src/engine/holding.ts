import type { GraphNode } from "./graph.ts";
import type { Storage } from "./storage.ts";

/**
 * A tensor's hold on its memory and on the recorded step that made it. It is an object apart from
 * the tensor, so that both can be given up after the tensor became garbage.
 */
export class Holding {
  /** Null once it was given up. */
  storage: Storage | null;
  /** The step that it counts for; null for leaves and aliases, and once the step is used up. */
  node: GraphNode | null;
  /** True if only its owner may give it up. */
  kept = false;
  /** The backward pass that went through its step, counted from 1; 0 before. */
  pass = 0;
  /** True if it was taken back after its backward pass. */
  takenBack = false;
  /** The hold of the result before this one of the same step. */
  readonly earlier: Holding | null = null;

  /** Takes over one count of `storage`, and adds one to `node`. */
  constructor(storage: Storage, node: GraphNode | null) {
    this.storage = storage;
    this.node = node;
    if (node === null) return;
    node.retain();
    this.earlier = node.result;
    node.result = this;
  }

  /** Gives up the step, which a backward pass has used up. */
  leaveNode(): void {
    const { node } = this;
    this.node = null;
    // Given up before with the memory, it counted no more.
    if (this.storage) node?.release();
  }

  /** Gives up memory and step; does nothing the second time. */
  release(): void {
    const { storage } = this;
    if (!storage) return;
    this.storage = null;
    storage.release();
    this.node?.release();
  }
}

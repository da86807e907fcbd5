import type { GraphNode } from "./graph.ts";
import type { Storage } from "./storage.ts";

/**
 * A tensor's references to its memory and to the graph node that made it. It is a separate object, so that a finalizer
 * can release both after the tensor was garbage-collected.
 */
export class Holding {
  /** The tensor's memory; null after its release. */
  storage: Storage | null;
  /** The graph node. Null for leaves and aliases, and after a backward pass has used the node. */
  node: GraphNode | null;
  /** True if only the tensor's owner may release it (see `keep`). */
  kept = false;
  /** Number of the backward pass that used the tensor, counted from 1; 0 if no pass has used it. */
  pass = 0;
  /** True if `reclaimConsumed` has freed the memory. */
  takenBack = false;
  /** The previous result of the same node. */
  readonly earlier: Holding | null = null;

  /** Takes over the caller's reference to `storage`, and adds a reference to `node`. */
  constructor(storage: Storage, node: GraphNode | null) {
    this.storage = storage;
    this.node = node;
    if (node === null) return;
    node.retain();
    this.earlier = node.result;
    node.result = this;
  }

  /** Releases the reference to the graph node, after a backward pass has used the node. */
  leaveNode(): void {
    const { node } = this;
    this.node = null;
    // If the memory was released before, the reference to the step was released with it.
    if (this.storage) node?.release();
  }

  /** Releases the memory and the graph node. A second call does nothing. */
  release(): void {
    const { storage } = this;
    if (!storage) return;
    this.storage = null;
    storage.release();
    this.node?.release();
  }
}

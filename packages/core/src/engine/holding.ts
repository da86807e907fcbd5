import type { GraphNode } from "./graph.ts";
import type { Storage } from "./storage.ts";

/**
 * A tensor's references to its memory and to the recorded step that made it. This is an object separate from the
 * tensor, so that a finalizer can release both after the tensor was garbage-collected.
 */
export class Holding {
  /** Null once it was released. */
  storage: Storage | null;
  /** The step that it references. Null for leaves and aliases, and once a backward pass has used the step up. */
  node: GraphNode | null;
  /** True if only the tensor's owner may release it. */
  kept = false;
  /** The number, from 1 on, of the backward pass that went through its step; 0 before. */
  pass = 0;
  /** True if core reclaimed the memory after the backward pass. */
  takenBack = false;
  /** The `Holding` of the previous result of the same step. */
  readonly earlier: Holding | null = null;

  /** Takes over one reference to `storage`, and adds one to `node`. */
  constructor(storage: Storage, node: GraphNode | null) {
    this.storage = storage;
    this.node = node;
    if (node === null) return;
    node.retain();
    this.earlier = node.result;
    node.result = this;
  }

  /** Drops the reference to the step after a backward pass has used it up. */
  leaveNode(): void {
    const { node } = this;
    this.node = null;
    // If the memory was released before, the reference to the step was released with it.
    if (this.storage) node?.release();
  }

  /** Releases memory and step. A second call does nothing. */
  release(): void {
    const { storage } = this;
    if (!storage) return;
    this.storage = null;
    storage.release();
    this.node?.release();
  }
}

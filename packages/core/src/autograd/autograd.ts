import type { Backend, TensorSpec } from "../backends/backend.ts";
import { full } from "../creation/create.ts";
import { type Edge, type GraphNode, graphClock, type Recorded } from "../engine/graph.ts";
import { collectGarbageOnBackward, countBackwardPass, markConsumed } from "../engine/pressure.ts";
import { savedInputsOf, savedOutputsOf } from "../engine/recomputed.ts";
import { keep, scope } from "../engine/scope.ts";
import { allocate, type Tensor } from "../engine/tensor.ts";
import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import { formatShape, sameShape } from "../layout/shape.ts";
import { computeGradients, enableGrad, isGradEnabled } from "../modes/gradMode.ts";
import { addGradients } from "../ops/shared/addGradients.ts";
import { copyInto } from "../ops/shared/inPlace.ts";

/** Options of a backward pass. */
export interface BackwardOptions {
  /**
   * Keep the values that ops saved, so that another backward pass can use the graph. Default: the value of
   * `createGraph`.
   */
  retainGraph?: boolean;
  /** Record the backward pass itself, for gradients of gradients. Default false. */
  createGraph?: boolean;
}

const backwardKeys: OptionKeys<BackwardOptions> = { retainGraph: true, createGraph: true };

/**
 * Computes the gradient of `output` with respect to every leaf that it depends on, and adds it to the leaf's `.grad`.
 * `output` must be a scalar, unless you pass `gradient`: the gradient with respect to `output`, in its shape. Frees the
 * values that ops saved, unless `retainGraph` is set.
 */
export function backward(output: Tensor, gradient?: Tensor, options: BackwardOptions = {}): void {
  checkOptions("backward", options, backwardKeys);
  const walkOptions = { ...options, wanted: (node: GraphNode) => node.leaf !== null, toAllLeaves: true };
  walk([root("backward", output, gradient)], walkOptions, (node, _index, grad) => {
    const leaf = node.leaf as Tensor;
    const before = leaf.grad;
    leaf.grad = keep(before ? addGradients(before, grad) : options.createGraph ? grad : unshared(grad));
    before?.dispose();
    return leaf.grad === grad;
  });
}

/**
 * Returns the gradient, or a copy if other tensors share its memory. Otherwise scaling one leaf's gradient in place
 * could change another's.
 */
function unshared(grad: Tensor): Tensor {
  if (!grad.storage.shared) return grad;
  const copy = allocate(grad.spec(), grad.storage.backend);
  copyInto(copy, grad);
  return copy;
}

/**
 * Returns the gradient of `output` with respect to each of `inputs`; zeros for an input that it does not depend on.
 * Does not change any `.grad`. `gradient` is as in `backward`.
 */
export function gradients(
  output: Tensor,
  inputs: readonly Tensor[],
  options: BackwardOptions & { gradient?: Tensor } = {},
): Tensor[] {
  checkOptions("gradients", options, { ...backwardKeys, gradient: true });
  const found = new Map<GraphNode, Tensor[]>();
  for (const { node, shape } of inputs) {
    if (!node) throw new Error(`gradients: an input ${formatShape(shape)} does not require gradients`);
    found.set(node, []);
  }
  const start = root("gradients", output, options.gradient);
  walk([start], { ...options, wanted: (node) => found.has(node) }, (node, index, grad) => {
    const slots = found.get(node) as Tensor[];
    slots[index] = node.leaf || options.createGraph ? grad : grad.detach();
    return node.leaf !== null;
  });
  return inputs.map((input) => {
    const { node, index } = input.edge as Edge;
    const grad = found.get(node)?.[index];
    return grad ?? filledLike(input, 0, input.storage.backend);
  });
}

/** Returns the leaves that a result depends on. */
export function leafTensorsOf(output: Tensor): Set<Tensor> {
  const nodes = output.node ? reached([output.node], 0) : [];
  return new Set([...nodes].flatMap(({ leaf }) => (leaf ? [leaf] : [])));
}

interface Root {
  readonly node: GraphNode;
  readonly index: number;
  readonly grad: Tensor;
}

interface WalkOptions extends BackwardOptions {
  /** Returns true for nodes whose gradients must be passed to `sink`, an argument of `walk`. */
  wanted: (node: GraphNode) => boolean;
  /** Nodes with an id below this get gradients, but do not pass them on. Default 0. */
  start?: number;
  /** True if `wanted` is true for all leaves. */
  toAllLeaves?: boolean;
}

/**
 * Receives the complete gradient of output `index` of a node. Returns true if it keeps `grad`. Otherwise the caller
 * frees the tensor.
 */
type Sink = (node: GraphNode, index: number, grad: Tensor) => boolean;

function root(name: string, output: Tensor, gradient?: Tensor): Root {
  if (!output.edge) throw new Error(`${name}: the tensor does not depend on anything that requires gradients`);
  if (!gradient && output.size !== 1) {
    throw new Error(`${name}: the tensor ${formatShape(output.shape)} is not a scalar; pass its gradient`);
  }
  if (gradient && !(sameShape(gradient.shape, output.shape) && gradient.dtype === output.dtype)) {
    throw new Error(`${name}: the gradient ${describe(gradient)} must be ${describe(output)}`);
  }
  const grad = gradient ? gradient.alias() : filledLike(output, 1, output.storage.backend);
  return { ...output.edge, grad };
}

function describe({ shape, dtype }: TensorSpec): string {
  return dtype === "f32" ? formatShape(shape) : `${dtype} ${formatShape(shape)}`;
}

function filledLike({ shape, dtype }: TensorSpec, value: number, backend: Backend): Tensor {
  return full(shape, value, { dtype, backend });
}

/**
 * Propagates gradients from `roots` backward through the graph, from each node to the nodes that made its inputs. Frees
 * each gradient as soon as it is used.
 */
function walk(roots: readonly Root[], options: WalkOptions, sink: Sink): void {
  const { createGraph = false, retainGraph = createGraph, wanted, start = 0, toAllLeaves = false } = options;
  if (start === 0) {
    collectGarbageOnBackward();
    countBackwardPass();
  }
  const free = (grad: Tensor | undefined) => createGraph || grad?.dispose();
  const arrived = new Map<GraphNode, (Tensor | undefined)[]>();
  const addArrived = (node: GraphNode, index: number, grad: Tensor) => {
    const slots = arrived.get(node) ?? [];
    const before = slots[index];
    slots[index] = before ? addGradients(before, grad) : grad;
    if (before) {
      free(before);
      free(grad);
    }
    arrived.set(node, slots);
  };
  const used: GraphNode[] = [];
  const run = createGraph ? enableGrad : computeGradients;
  run(() => {
    for (const { node, index, grad } of roots) addArrived(node, index, grad);
    const { order, leads } = plan(roots, wanted, start);
    for (const node of order) {
      const grads = arrived.get(node);
      arrived.delete(node);
      if (!grads) continue;
      const takenBySink = wanted(node) ? grads.map((grad, i) => grad !== undefined && sink(node, i, grad)) : null;
      const { op } = node;
      if (op && node.id >= start && leadsOn(op, leads)) {
        const needs = op.edges.map((edge) => edge !== null && leads.has(edge.node));
        if (node.freed) {
          const fix = "pass retainGraph: true to the first backward";
          throw new Error(`backward: an earlier backward freed the tensors that ${op.definition.name} saved; ${fix}`);
        }
        const pulled = createGraph ? pull(op, grads, needs) : scope(() => pull(op, grads, needs));
        if (!retainGraph) {
          node.freeSaved();
          if (toAllLeaves) used.push(node);
          if (start === 0) markConsumed(node.result);
        }
        for (let i = 0; i < op.edges.length; i++) {
          const edge = op.edges[i];
          const grad = pulled[i];
          if (edge && grad) addArrived(edge.node, edge.index, grad);
        }
      }
      for (let i = 0; i < grads.length; i++) if (!takenBySink?.[i]) free(grads[i]);
    }
    // After the walk, not during it: otherwise earlier steps would be freed before the gradient reached them.
    for (const node of used) node.leaveResults();
  });
}

/** Returns all nodes that can be reached from `from`. Does not go beyond nodes whose id is below `start`. */
export function reached(from: readonly GraphNode[], start: number): Set<GraphNode> {
  const seen = new Set<GraphNode>(from);
  const stack = [...seen];
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (node.id < start) continue;
    node.op?.edges.forEach((edge) => {
      if (!edge || seen.has(edge.node)) return;
      seen.add(edge.node);
      stack.push(edge.node);
    });
  }
  return seen;
}

/**
 * Returns two sets of nodes. `order` lists the nodes that gradients from `roots` reach, latest first, so that a node
 * comes after all nodes that use its outputs. `leads` holds the nodes from which a wanted node can be reached.
 */
function plan(
  roots: readonly Root[],
  wanted: (node: GraphNode) => boolean,
  start: number,
): { order: GraphNode[]; leads: Set<GraphNode> } {
  const seen = reached(
    roots.map(({ node }) => node),
    start,
  );
  const order = [...seen].sort((a, b) => b.id - a.id);
  const leads = new Set<GraphNode>();
  for (let i = order.length - 1; i >= 0; i--) {
    const node = order[i];
    if (wanted(node) || (node.op && leadsOn(node.op, leads))) leads.add(node);
  }
  return { order, leads };
}

/** Returns true if a wanted node can be reached through an input of the op. */
function leadsOn({ edges }: Recorded, leads: ReadonlySet<GraphNode>): boolean {
  for (let i = 0; i < edges.length; i++) {
    const edge = edges[i];
    if (edge && leads.has(edge.node)) return true;
  }
  return false;
}

/**
 * Returns the gradient of each input of an op, from the gradients of its outputs (`arrived`). Each is a separate tensor
 * object, so that it can be freed independently of the others.
 */
function pull(op: Recorded, arrived: (Tensor | undefined)[], needs: readonly boolean[]): (Tensor | null)[] {
  const { backend } = (arrived.find((t) => t) as Tensor).storage;
  const { definition, params } = op;
  const inputs = savedInputsOf(op);
  const context = {
    inputs,
    outputs: savedOutputsOf(op),
    grads: op.outputs.map((spec, i) => arrived[i] ?? filledLike(spec, 0, backend)),
    arrived: op.outputs.map((_, i) => arrived[i] !== undefined),
    params,
    needs,
    inputSpecs: op.inputs,
    outputSpecs: op.outputs,
  };
  const { vjp } = definition;
  const results = vjp ? checkedGradients(op, vjp(context)) : throughComposition(op, inputs, context.grads, needs);
  return results.map((grad, i) => {
    if (!grad || !needs[i]) return null;
    const isShared = arrived.includes(grad) || results.indexOf(grad) < i;
    return isShared && !grad.requiresGrad ? grad.detach() : grad;
  });
}

/**
 * Returns `grads`, the result of a gradient rule. Throws if it does not match the number, shapes and dtypes of the op's
 * inputs.
 */
function checkedGradients({ definition: { name }, inputs }: Recorded, grads: (Tensor | null)[]): (Tensor | null)[] {
  if (grads.length !== inputs.length) {
    const fix = "return one for each, or null if it is not needed";
    throw new Error(`${name}: its vjp returned ${grads.length} gradients for ${inputs.length} inputs; ${fix}`);
  }
  for (let i = 0; i < grads.length; i++) {
    const grad = grads[i];
    if (!grad || (sameShape(grad.shape, inputs[i].shape) && grad.dtype === inputs[i].dtype)) continue;
    throw new Error(
      `${name}: its vjp returned the gradient ${describe(grad)} for input ${i}; expected ${describe(inputs[i])}`,
    );
  }
  return grads;
}

/**
 * Returns the gradients for an op without a gradient rule: runs its composition again with recording, and propagates
 * gradients through that.
 */
function throughComposition(
  op: Recorded,
  inputs: readonly Tensor[],
  grads: readonly Tensor[],
  needs: readonly boolean[],
): (Tensor | null)[] {
  const { definition, params, edges } = op;
  if (!definition.compose)
    throw new Error(`${definition.name}: this op has no gradient; gradients of gradients cannot pass it`);
  const { compose } = definition;
  const start = graphClock();
  const composed = enableGrad(() => compose(inputs, params));
  const outputs = Array.isArray(composed) ? composed : [composed];
  const roots = outputs.flatMap((output, i): Root[] =>
    output.edge ? [{ ...output.edge, grad: grads[i].alias() }] : [],
  );
  const results = new Array<Tensor | null>(edges.length).fill(null);
  const createGraph = isGradEnabled();
  walk(
    roots,
    { createGraph, retainGraph: createGraph, wanted: (node) => node.id < start, start },
    (node, index, grad) => {
      const i = edges.findIndex((edge) => edge?.node === node && edge.index === index);
      if (!needs[i]) return false;
      results[i] = grad;
      return true;
    },
  );
  return results;
}

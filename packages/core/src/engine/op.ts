import type { Backend, BackendOp, TensorSpec } from "../backends/backend.ts";
import { checkOptions, type OptionKeys } from "../internal/checkOptions.ts";
import { type DType, isFloating, isPacked } from "../layout/dtype.ts";
import { formatShape } from "../layout/shape.ts";
import { isGradEnabled } from "../modes/gradMode.ts";
import { type Edge, GraphNode, nothingSaved } from "./graph.ts";
import { noteReads } from "./reads.ts";
import { Recomputed } from "./recomputed.ts";
import { composeOp, runOp } from "./runOp.ts";
import { writeClock } from "./storage.ts";
import { Tensor } from "./tensor.ts";

/** Positions of the inputs and outputs that an op saves for its gradient. */
export interface Saves {
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[];
}

/** The values that a gradient rule (`vjp`) gets. `inputs` and `outputs` hold only the tensors named by `saves`. */
export interface VjpContext<P> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The gradient of each output, in its shape; zeros if none arrived. */
  readonly grads: readonly Tensor[];
  /** True for each output whose gradient arrived. */
  readonly arrived: readonly boolean[];
  readonly params: P;
  /** True for each input that needs a gradient. The rule may return null for the others. */
  readonly needs: readonly boolean[];
  readonly inputSpecs: readonly TensorSpec[];
  readonly outputSpecs: readonly TensorSpec[];
}

/**
 * The shape rule of an op that takes groups of inputs after its first ones, split in parts. The op's `shape` combines
 * the parts.
 */
export interface GroupedShape<P> {
  /** Checks the first inputs, and the parameters for `groups` groups. Returns the output's spec. */
  readonly shape: (first: readonly TensorSpec[], params: P, groups: number) => TensorSpec;
  /** True if a group fits the first inputs. For a group that does not fit, the op's `shape` throws the explanation. */
  readonly fits: (first: readonly TensorSpec[], group: readonly TensorSpec[]) => boolean;
  /**
   * Returns the properties of the first inputs that `fits` reads. First inputs with equal keys accept the same groups.
   */
  readonly key: (first: readonly TensorSpec[]) => readonly number[];
}

/** An op: its shape rule, its meaning (`ref` loops, or `compose` of other ops) and its gradient. */
export interface OpDefinition<P> extends BackendOp<P> {
  /** The names of all its parameters, if users call the op directly. Other names throw. */
  readonly options?: OptionKeys<P>;
  /** Checks the inputs and returns the outputs' specs. Every misuse error is thrown here. */
  readonly shape: (inputs: readonly TensorSpec[], params: P) => TensorSpec | TensorSpec[];
  /** The same rule in parts, for ops that are bound to groups of inputs. */
  readonly grouped?: GroupedShape<P>;
  /** The op composed of other ops. It runs if a backend lacks a kernel, and gives the gradient if there is no `vjp`. */
  readonly compose?: (inputs: readonly Tensor[], params: P) => Tensor | Tensor[];
  /** The tensors to save. Default: none; with `compose` and no `vjp`, all inputs. */
  readonly saves?: Saves | ((needs: readonly boolean[], params: P) => Saves);
  /** Returns the gradients of the inputs, computed with ops so that they can be differentiated again. */
  readonly vjp?: (context: VjpContext<P>) => (Tensor | null)[];
  /**
   * The op's only output is cheap to compute. If the op saves all its inputs, later ops that would save the output
   * recompute it instead.
   */
  readonly cheap?: true;
  /** Positions of inputs that may be packed weights. A packed tensor at another position throws. */
  readonly packed?: readonly number[];
  /** The output is input 0 with another shape and shares its memory. */
  readonly view?: true;
  /**
   * Splits a call with more than `most` tensors into smaller calls, for backends that limit the tensors of one call.
   */
  readonly inGroups?: (inputs: readonly Tensor[], params: P, most: number) => Tensor | Tensor[];
  /**
   * Returns true for each of its `count` inputs that it writes into, by position. Such an op has no outputs and is
   * never recorded. If gradients are enabled for an input, the op throws outside `noGrad`.
   */
  readonly writes?: (input: number, count: number) => boolean;
}

/**
 * The part of an op's definition that computes the sizes of a call for kernels. Kernels read it from the op instead of
 * importing it, so a web page bundles it only with the op.
 */
export interface Planned<P, Plan> {
  readonly plan: (inputs: readonly TensorSpec[], outputs: readonly TensorSpec[], params: P) => Plan;
}

type Tuple<N extends number, T, Acc extends T[] = []> = number extends N
  ? T[]
  : Acc["length"] extends N
    ? Acc
    : Tuple<N, T, [...Acc, T]>;

/**
 * A callable op of `N` tensors (`number`: any) and parameters `P`, with `M` outputs (0: in place) and `D` in its
 * definition.
 */
export interface Op<N extends number, P = void, M extends number = 1, D = unknown> {
  (
    ...args: P extends void ? Tuple<N, Tensor> : [...Tuple<N, Tensor>, params: P]
  ): M extends 1 ? Tensor : Tuple<M, Tensor>;
  readonly definition: OpDefinition<P> & D;
}

/** The number of tensors that an op takes: N, or the minimum and maximum if it varies. */
export type Arity<N extends number> = number extends N ? readonly [least: number, most: number] : N;

const defined = new Map<string, OpDefinition<never>>();

/** Returns the definitions of all ops made so far, by name. */
export function definedOps(): ReadonlyMap<string, OpDefinition<never>> {
  return defined;
}

/** Makes an op callable: `op(...tensors, params)`. Throws if an op of the same name exists. */
export function defineOp<N extends number, P = void, M extends number = 1, D = unknown>(
  definition: OpDefinition<P> & { readonly arity: Arity<N> } & D,
): Op<N, P, M, D> {
  const { name, arity } = definition;
  const [least, most] = typeof arity === "number" ? [arity, arity] : arity;
  const call = (...args: unknown[]): Tensor | Tensor[] => {
    let given = 0;
    while (given < args.length && args[given] instanceof Tensor) given++;
    if (given < least || given > most || args.length > given + 1) checkTensors(name, args, arity);
    const params = args[given] as P;
    if (definition.options) checkParams(definition, params);
    if (args.length > given) args.length = given;
    const outputs = apply(definition, args as Tensor[], params);
    return outputs.length === 1 ? outputs[0] : outputs;
  };
  if (defined.has(name)) {
    throw new Error(`defineOp: an op named "${name}" exists already; give yours a prefix, as in "acme/${name}"`);
  }
  defined.set(name, definition);
  return Object.assign(call, { definition }) as unknown as Op<N, P, M, D>;
}

/** Throws unless the arguments are `arity` tensors, optionally followed by one other argument. */
function checkTensors(name: string, args: readonly unknown[], arity: Arity<number> | number): void {
  const given = countTensors(args);
  expectCount(name, given, arity);
  const other = args.slice(0, given).findIndex((t) => !(t instanceof Tensor));
  if (other >= 0) throw new Error(`${name}: argument ${other} is ${args[other]}, and a tensor follows it`);
}

function checkParams<P>({ name, options }: OpDefinition<P>, params: P): void {
  if (params === undefined) {
    throw new Error(
      `${name}: it takes { ${Object.keys(options ?? {}).join(", ")} } behind its tensors, and nothing was given`,
    );
  }
  checkOptions(name, params as object, options as OptionKeys<object>);
}

function countTensors(args: ArrayLike<unknown>): number {
  let count = 0;
  for (let i = 0; i < args.length; i++) if (args[i] instanceof Tensor) count++;
  return count;
}

/** Throws unless `given` is a tensor count that `arity` allows. */
export function expectCount(op: string, given: number, arity: Arity<number> | number): void {
  const [least, most] = typeof arity === "number" ? [arity, arity] : arity;
  if (given >= least && given <= most) return;
  const wanted = least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  throw new Error(
    `${op}: it takes ${wanted} tensor${wanted === "1" ? "" : "s"}, and ${given} ${given === 1 ? "was" : "were"} given`,
  );
}

/**
 * Throws if the arguments of a function hold more than `most` tensors. A surplus tensor, such as one passed instead of
 * options, would otherwise be ignored. 0: the function takes its tensors as a list.
 */
export function refuseSurplus(name: string, most: number, args: ArrayLike<unknown>): void {
  const given = countTensors(args);
  if (given <= most) return;
  if (most === 0) {
    throw new Error(
      `${name}: it takes a list of tensors, and ${given} were given one by one; write ${name}([a, b]) with brackets`,
    );
  }
  throw new Error(`${name}: it takes at most ${most} tensor${most === 1 ? "" : "s"}, and ${given} were given`);
}

/** Throws if an object follows the arguments of a function without options. */
export function refuseOptions(name: string, behind: unknown): void {
  if (typeof behind !== "object" || behind === null || Array.isArray(behind) || behind instanceof Tensor) return;
  throw new Error(`${name}: it has no options, and { ${Object.keys(behind).join(", ")} } was given`);
}

function apply<P>(definition: OpDefinition<P>, inputs: Tensor[], params: P): Tensor[] {
  for (let i = 0; i < inputs.length; i++) {
    if (isPacked(inputs[i].dtype)) checkPackedInput(definition, i, inputs[i]);
  }
  const shapes = definition.shape(inputs, params);
  const specs = Array.isArray(shapes) ? shapes : [shapes];
  if (definition.view) return [shareInput(definition, inputs[0], specs[0], params)];
  const backend = backendOf(definition, inputs);
  const { maxTensors = Infinity } = backend;
  if (definition.inGroups && inputs.length > maxTensors) {
    const outputs = definition.inGroups(inputs, params, maxTensors);
    return Array.isArray(outputs) ? outputs : [outputs];
  }
  noteReads(inputs);
  if (definition.packed) for (const at of definition.packed) inputs[at]?.notePrecision();
  const supported = backend.supports(definition, inputs, params);
  if (definition.writes) {
    writeInPlace(definition, inputs, params, supported);
    return [];
  }
  // A composition that has a `vjp` runs like a kernel, so its intermediate values need not be kept.
  if (!supported && !definition.vjp) return composeOp(definition, inputs, specs, params);
  const storages = runOp(definition, inputs, specs, params, supported);
  const node = record(definition, inputs, specs, params);
  // Not `push`: an engine would give an empty list room for 17 elements.
  const outputs = new Array<Tensor>(specs.length);
  for (let i = 0; i < specs.length; i++) {
    const edge = node && isFloating(specs[i].dtype) ? { node, index: i } : null;
    outputs[i] = new Tensor(storages[i], specs[i], edge);
  }
  if (node) save(node, inputs, outputs);
  return outputs;
}

/** Returns the backend that holds the inputs. Throws if they are on several backends, or if there are no inputs. */
export function backendOf<P>(definition: OpDefinition<P>, inputs: readonly Tensor[]): Backend {
  if (inputs.length === 0) throw new Error(`${definition.name}: an op needs at least one tensor`);
  const { backend } = inputs[0].storage;
  for (let i = 1; i < inputs.length; i++) {
    if (inputs[i].storage.backend !== backend) throw apart(definition, backend, inputs[i].storage.backend);
  }
  return backend;
}

function apart<P>({ name }: OpDefinition<P>, one: Backend, other: Backend): Error {
  const second = one.name === other.name ? `another ${other.name}` : other.name;
  return new Error(`${name}: inputs live on ${one.name} and ${second}; move them to one backend by toBackend`);
}

function writeInPlace<P>(definition: OpDefinition<P>, inputs: Tensor[], params: P, supported: boolean): void {
  const { name, writes } = definition;
  if (isGradEnabled()) for (let i = 0; i < inputs.length; i++) refuseGradient(definition, inputs, i);
  runOp(definition, inputs, [], params, supported);
  for (let i = 0; i < inputs.length; i++) if (writes?.(i, inputs.length)) inputs[i].storage.written(name);
}

/** Throws if a write in place would lose the gradient of input `i`. */
function refuseGradient<P>({ name, writes }: OpDefinition<P>, inputs: readonly Tensor[], i: number): void {
  const input = inputs[i];
  if (!input.requiresGrad) return;
  const leaf = input.isLeaf && writes?.(i, inputs.length);
  throw new Error(
    `${name}: input ${i} ${formatShape(input.shape)} ${leaf ? "is a leaf that requires gradients" : "depends on what requires gradients"}, and no gradient flows through a write in place; write inside noGrad(() => ...)`,
  );
}

function shareInput<P>(definition: OpDefinition<P>, input: Tensor, spec: TensorSpec, params: P): Tensor {
  const node = record(definition, [input], [spec], params);
  const output = new Tensor(input.storage.retain(), spec, node && { node, index: 0 });
  if (node) save(node, [input], [output]);
  return output;
}

function record<P>(definition: OpDefinition<P>, inputs: Tensor[], specs: TensorSpec[], params: P): GraphNode | null {
  if (!isGradEnabled() || !inputs.some(wantsGradient) || !specs.some(floats)) return null;
  return new GraphNode(null, {
    definition: definition as OpDefinition<unknown>,
    params,
    edges: inputs.map(edgeOf),
    inputs: inputs.map(specOf),
    outputs: specs,
    savedInputs: nothingSaved,
    savedOutputs: nothingSaved,
    savedAt: writeClock(),
  });
}

// These functions are created once, not at every op.
const wantsGradient = (t: Tensor): boolean => t.requiresGrad;
const floats = ({ dtype }: TensorSpec): boolean => isFloating(dtype);
const edgeOf = ({ edge }: Tensor): Edge | null => edge;
const specOf = (t: Tensor): TensorSpec => t.spec();

function save(node: GraphNode, inputs: Tensor[], outputs: Tensor[]): void {
  const { op } = node;
  if (!op || (!op.definition.saves && op.definition.vjp)) return;
  const { definition, edges, params } = op;
  const wanted =
    typeof definition.saves === "function"
      ? definition.saves(
          edges.map((edge) => edge !== null),
          params,
        )
      : (definition.saves ?? { inputs: inputs.map((_, i) => i) });
  if (wanted.inputs) {
    const saved: (Tensor | Recomputed)[] = [];
    for (const i of wanted.inputs) saved[i] = Recomputed.of(inputs[i]) ?? inputs[i].alias();
    op.savedInputs = saved;
  }
  if (wanted.outputs) {
    const saved: Tensor[] = [];
    for (const i of wanted.outputs) saved[i] = outputs[i].alias();
    op.savedOutputs = saved;
  }
}

function checkPackedInput<P>({ name, packed }: OpDefinition<P>, i: number, { dtype, shape }: TensorSpec): void {
  if (packed?.includes(i)) return;
  throw new Error(
    `${name}: input ${i} ${formatShape(shape)} is a packed ${dtype} weight, which only products and embeddings read; dequantise it with t.to("f32") first`,
  );
}

/** Throws unless input `i` of `op` has one of the given dtypes. */
export function expectDType(op: string, inputs: readonly TensorSpec[], i: number, ...dtypes: DType[]): void {
  const { dtype, shape } = inputs[i];
  if (!dtypes.includes(dtype)) {
    const advice = dtype === "f16" || dtype === "bf16" || isPacked(dtype) ? "; cast it with t.to('f32') first" : "";
    throw new Error(`${op}: input ${i} ${formatShape(shape)} is ${dtype}, expected ${dtypes.join(" or ")}${advice}`);
  }
}

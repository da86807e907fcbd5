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

/** Positions of the inputs and outputs that an op saves for its gradient rule. */
export interface Saves {
  readonly inputs?: readonly number[];
  readonly outputs?: readonly number[];
}

/** The argument of a gradient rule (`vjp`). `inputs` and `outputs` hold only the tensors that the op saved. */
export interface VjpContext<P> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The gradient of each output, in the output's shape. Zeros if the output has none. */
  readonly grads: readonly Tensor[];
  /** For each output, true if it has a gradient; false if `grads` holds zeros for it. */
  readonly arrived: readonly boolean[];
  readonly params: P;
  /** True for each input that needs a gradient. The rule may return null for the others. */
  readonly needs: readonly boolean[];
  readonly inputSpecs: readonly TensorSpec[];
  readonly outputSpecs: readonly TensorSpec[];
}

/**
 * The shape rule of an op whose inputs are a fixed number of first inputs, followed by any number of groups of
 * constants. All groups have the same number of tensors, such as pairs (A, B). The rule is split so that a group can be
 * checked once and used in many calls. `OpDefinition.shape` performs the same checks in one call.
 */
export interface GroupedShape<P> {
  /**
   * Checks the first inputs, and the parameters for a call with `groups` groups of constants. Returns the output's
   * spec.
   */
  readonly shape: (first: readonly TensorSpec[], params: P, groups: number) => TensorSpec;
  /**
   * Returns true if a group matches the first inputs. If it does not, the op's `shape` throws an error that explains
   * why.
   */
  readonly fits: (first: readonly TensorSpec[], group: readonly TensorSpec[]) => boolean;
  /**
   * Returns the properties of the first inputs on which the result of `fits` depends, as numbers. If the keys of two
   * calls are equal, groups that fit one call also fit the other.
   */
  readonly key: (first: readonly TensorSpec[]) => readonly number[];
}

/**
 * The definition of an op: its shape rule, its meaning (`ref` in plain loops, or `compose` from other ops) and its
 * gradient.
 */
export interface OpDefinition<P> extends BackendOp<P> {
  /** The names of all parameters, for ops that users call directly. A call with any other name throws. */
  readonly options?: OptionKeys<P>;
  /** Checks the inputs and parameters, and returns the specs of the outputs. Wrong use of the op throws here. */
  readonly shape: (inputs: readonly TensorSpec[], params: P) => TensorSpec | TensorSpec[];
  /** The shape rule split into parts, for ops whose groups of inputs can be bound in advance (see `InputTable`). */
  readonly grouped?: GroupedShape<P>;
  /**
   * Computes the op from other ops. It runs if the backend has no kernel, and provides the gradient if there is no
   * `vjp`.
   */
  readonly compose?: (inputs: readonly Tensor[], params: P) => Tensor | Tensor[];
  /**
   * The inputs and outputs to save for the gradient. Default: none or, if the gradient comes from `compose`, all
   * inputs.
   */
  readonly saves?: Saves | ((needs: readonly boolean[], params: P) => Saves);
  /**
   * Returns the gradient of each input, computed with ops, so that it can be differentiated again. Null stands for an
   * input without a gradient.
   */
  readonly vjp?: (context: VjpContext<P>) => (Tensor | null)[];
  /**
   * True if the only output is cheap to compute. Later ops that need the output for their gradient then do not save it,
   * but recompute it, provided that this op saves all its inputs.
   */
  readonly cheap?: true;
  /** Positions of inputs that may be packed weights. A packed tensor at another position throws. */
  readonly packed?: readonly number[];
  /** True if the output is input 0 with another shape, in the same memory. */
  readonly view?: true;
  /** Splits a call into smaller calls of at most `most` tensors, for backends that limit the tensors of a call. */
  readonly inGroups?: (inputs: readonly Tensor[], params: P, most: number) => Tensor | Tensor[];
  /**
   * Returns true if the op writes into the input with the index `input`, when it is called with `count` inputs. Such an
   * op has no outputs and is never recorded. Outside `noGrad` it throws if it would write into an input that requires
   * gradients.
   */
  readonly writes?: (input: number, count: number) => boolean;
}

/**
 * An additional field of an op's definition: a function that computes from a call's tensors and parameters the sizes
 * that kernels need. Kernels call it through the definition and do not import it. A web page that does not use the op
 * therefore does not bundle the function.
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
 * A callable op. `N` is the number of tensors (`number`: any), `P` its parameters, `M` the number of outputs (0: it
 * writes in place), `D` additional fields of its definition.
 */
export interface Op<N extends number, P = void, M extends number = 1, D = unknown> {
  (
    ...args: P extends void ? Tuple<N, Tensor> : [...Tuple<N, Tensor>, params: P]
  ): M extends 1 ? Tensor : Tuple<M, Tensor>;
  readonly definition: OpDefinition<P> & D;
}

/** The number of tensors that an op takes: N, or a minimum and a maximum. */
export type Arity<N extends number> = number extends N ? readonly [least: number, most: number] : N;

const defined = new Map<string, OpDefinition<never>>();

/** Returns the definitions of all ops by name. */
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

/**
 * Throws unless the arguments start with as many tensors as `arity` requires, followed by at most one other argument.
 */
function checkTensors(name: string, args: readonly unknown[], arity: Arity<number> | number): void {
  const given = countTensors(args);
  expectCount(name, given, arity);
  const other = args.slice(0, given).findIndex((t) => !(t instanceof Tensor));
  if (other >= 0) throw new Error(`${name}: argument ${other} is ${args[other]}; expected a tensor`);
}

function checkParams<P>({ name, options }: OpDefinition<P>, params: P): void {
  if (params === undefined) {
    throw new Error(
      `${name}: it takes { ${Object.keys(options ?? {}).join(", ")} } after its tensors, but no options were given`,
    );
  }
  checkOptions(name, params as object, options as OptionKeys<object>);
}

function countTensors(args: ArrayLike<unknown>): number {
  let count = 0;
  for (let i = 0; i < args.length; i++) if (args[i] instanceof Tensor) count++;
  return count;
}

/** Throws unless `arity` allows `given` tensors. */
export function expectCount(op: string, given: number, arity: Arity<number> | number): void {
  const [least, most] = typeof arity === "number" ? [arity, arity] : arity;
  if (given >= least && given <= most) return;
  const wanted = least === most ? `${least}` : most === Infinity ? `at least ${least}` : `${least} to ${most}`;
  throw new Error(
    `${op}: it takes ${wanted} tensor${wanted === "1" ? "" : "s"}, and ${given} ${given === 1 ? "was" : "were"} given`,
  );
}

/**
 * Throws if there are more than `most` tensors among a function's arguments. Otherwise an extra tensor, such as one
 * passed instead of options, would be ignored silently. `most` is 0 for functions that take their tensors as a list.
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

/** Throws for more than `most` tensors among a function's arguments, and for unknown options. */
export function checkCall<T extends object>(
  name: string,
  most: number,
  args: ArrayLike<unknown>,
  options: T,
  keys: OptionKeys<T>,
): void {
  refuseSurplus(name, most, args);
  checkOptions(name, options, keys);
}

/** Throws if a function without options was called with an options object. */
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

/** Returns the backend of the inputs. Throws if they are on several backends, or if there are no inputs. */
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

/** Throws if an in-place op would write into input `i` while that input's gradient is recorded. */
function refuseGradient<P>({ name, writes }: OpDefinition<P>, inputs: readonly Tensor[], i: number): void {
  const input = inputs[i];
  if (!input.requiresGrad) return;
  const leaf = input.isLeaf && writes?.(i, inputs.length);
  throw new Error(
    `${name}: input ${i} ${formatShape(input.shape)} ${leaf ? "is a leaf that requires gradients" : "depends on a tensor that requires gradients"}, and an in-place write has no gradient; write inside noGrad(() => ...)`,
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

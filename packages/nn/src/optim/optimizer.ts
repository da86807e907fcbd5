import {
  type Backend,
  copyInto,
  formatShape,
  keep,
  noGrad,
  type Shape,
  scope,
  type Tensor,
  zeros,
} from "@lowrank/core";
import { checkOptions, keysOf, moveTensors, type OptionKeys, widen } from "@lowrank/core/internal";
import { isHalf, master, readParameter, writeRounded } from "./masterCopy.ts";

/**
 * Parameters that share settings, such as a learning rate. Settings that a group omits are taken from the optimiser's
 * options.
 */
export type ParamGroup<O> = { params: Iterable<Tensor> } & Partial<O>;

/** The parameters of an optimiser, or groups of parameters with separate settings. */
export type Params<O> = Iterable<Tensor> | Iterable<ParamGroup<O>>;

/** The state of an optimiser for a checkpoint: the settings of its groups, and the state tensors of its parameters. */
export interface OptimizerState<O> {
  /** Settings of each group, and the number of parameters in it. */
  groups: (O & { count: number })[];
  /**
   * Step count and state tensors (by name) of each parameter that was updated. The key is the parameter's position,
   * counted over all groups.
   */
  state: Map<number, { step: number; tensors: Record<string, Tensor> }>;
}

/** Shape and dtype of a state tensor, such as a moment. It starts as zeros. */
export interface StateSpec {
  readonly shape: Shape;
  readonly dtype: "f32" | "u8";
}

/** Returns a `StateSpec` for each name. The state tensors are f32 and have the same shape as the parameter. */
export function stateLike({ shape }: Tensor, ...names: readonly string[]): Record<string, StateSpec> {
  return Object.fromEntries(names.map((name) => [name, { shape, dtype: "f32" }]));
}

/**
 * The arguments that pass the guard of `Optimizer.step` to the op that updates the parameters: an additional input
 * tensor, and the op's parameter `guard`. The guard can stop the step; see `Optimizer.step`.
 */
export interface Guard {
  /**
   * The guard tensor, which is the last input of the op, as an array of one element. Empty if the step has no guard.
   */
  readonly tensors: readonly Tensor[];
  readonly params: { readonly guard?: "obey" | "test" };
}

/** One parameter, and the tensors that its update reads and writes. */
export interface Update {
  readonly param: Tensor;
  readonly grad: Tensor;
  readonly state: Readonly<Record<string, Tensor>>;
}

/** State that the optimiser stores for one parameter between steps. */
interface Memory {
  step: number;
  tensors: Record<string, Tensor>;
}

function copyOf(source: Tensor): Tensor {
  const dtype = source.dtype as StateSpec["dtype"];
  const copy = keep(zeros(source.shape, { dtype, backend: source.storage.backend }));
  copyInto(copy, source);
  return copy;
}

/** Updates parameters from their `.grad`. Parameters without a gradient are skipped, as in PyTorch. */
export abstract class Optimizer<O extends { lr: number }> implements Disposable {
  /** Parameter groups with their settings, which may be changed between steps: `optimizer.groups[0].lr = 1e-4`. */
  readonly groups: (O & { params: Tensor[] })[];
  readonly #memory = new Map<Tensor, Memory>();
  /**
   * State of each parameter whose step count was increased by the last step. `takeBackStep` uses this list to undo the
   * increase.
   */
  #counted: Memory[] = [];

  /**
   * `defaults` contains every supported option with its default, and `given` the caller's options. Throws if `given` or
   * a parameter group has an option that is not in `defaults`.
   */
  constructor(params: Params<O>, defaults: O, given: Partial<O>) {
    const { name } = new.target;
    const keys = keysOf(defaults);
    checkOptions(name, given, keys as OptionKeys<Partial<O>>);
    const options = { ...defaults, ...given };
    const items = [...(params as Iterable<Tensor | ParamGroup<O>>)];
    const grouped = items.length > 0 && "params" in items[0];
    const groups = grouped ? (items as ParamGroup<O>[]) : [{ params: items } as unknown as ParamGroup<O>];
    if (grouped)
      for (const group of groups) checkOptions(`${name}: a group`, group, { ...keys, params: true } as never);
    this.groups = groups.map((group) => ({ ...options, ...group, params: [...group.params] }));
    const seen = new Set<Tensor>();
    for (const param of this.parameters()) {
      if (seen.has(param)) throw new Error(`optimizer: a parameter ${formatShape(param.shape)} is given twice`);
      seen.add(param);
    }
    if (seen.size === 0) throw new Error("optimizer: it was given no parameters; does anything require gradients?");
    for (const group of this.groups) {
      if (!(group.lr >= 0)) throw new Error(`optimizer: lr is ${group.lr}; it must be at least 0`);
    }
  }

  /** Learning rate of the first group. Assigning it sets the rate of all groups. */
  get lr(): number {
    return this.groups[0].lr;
  }

  set lr(lr: number) {
    for (const group of this.groups) group.lr = lr;
  }

  /** Returns the shapes and dtypes of the state tensors that a parameter needs, by name. */
  protected abstract stateSpecs(param: Tensor, group: O): Readonly<Record<string, StateSpec>>;

  /** Updates some parameters of one group in place. They all have the same step count `step`, counted from 1. */
  protected abstract update(updates: readonly Update[], step: number, group: O, guard: Guard): void;

  /**
   * Updates the parameters from their gradients. `guard` is an optional f32 vector on the parameters' backend that can
   * stop the step. If it contains NaN or infinity, parameters and state tensors stay unchanged. If the step would
   * produce NaN or infinity, the guard's last element is set to NaN, which also stops the step. `step` itself does not
   * read the guard, so it increases step counts in any case. A caller that reads the guard and finds NaN or infinity
   * must call `takeBackStep`.
   */
  step(guard?: Tensor): void {
    noGrad(() =>
      scope(() => {
        const due = this.#due();
        const run = (how?: "obey" | "test") => {
          const guarded: Guard = how
            ? { tensors: [guard as Tensor], params: { guard: how } }
            : { tensors: [], params: {} };
          for (const part of due) this.#update(part.updates, part.step, part.group, guarded);
        };
        if (guard) run("test");
        run(guard && "obey");
      }),
    );
  }

  /**
   * Updates f32 parameters all at once. Updates half-precision parameters one by one, through their f32 master copies,
   * so that only one gradient at a time is converted to f32.
   */
  #update(updates: readonly Update[], step: number, group: O, guard: Guard): void {
    const wide = updates.filter(({ param }) => !isHalf(param));
    if (wide.length > 0) this.update(wide, step, group, guard);
    for (const { param, grad, state } of updates.filter((update) => !wide.includes(update))) {
      scope(() => {
        const { [master]: copy, ...rest } = state;
        readParameter(copy, param);
        this.update([{ param: copy, grad: widen(grad), state: rest }], step, group, guard);
        if (guard.params.guard !== "test") writeRounded(copy, param);
      });
    }
  }

  /** Returns the shapes and dtypes of all state tensors of a parameter, by name, including its f32 master copy. */
  #specsOf(param: Tensor, group: O): Readonly<Record<string, StateSpec>> {
    const specs = this.stateSpecs(param, group);
    return isHalf(param) ? { ...specs, ...stateLike(param, master) } : specs;
  }

  /** Decreases by 1 the step counts that the last step increased. Call it if the guard stopped that step. */
  takeBackStep(): void {
    for (const memory of this.#counted) memory.step--;
    this.#counted = [];
  }

  /**
   * Increases the step count of each parameter that has a gradient. Returns the updates to make. Each item contains
   * parameters of one group that have the same step count.
   */
  #due(): { updates: Update[]; step: number; group: O }[] {
    this.#counted = [];
    return this.groups.flatMap((group) => {
      const due = new Map<number, Update[]>();
      for (const param of group.params) {
        if (!param.grad) continue;
        const memory = this.#memoryOf(param, group);
        this.#counted.push(memory);
        const update = { param, grad: param.grad, state: memory.tensors };
        const together = due.get(++memory.step);
        if (together) together.push(update);
        else due.set(memory.step, [update]);
      }
      return Array.from(due, ([step, updates]) => ({ updates, step, group }));
    });
  }

  /** Frees all gradients. */
  zeroGrad(): void {
    for (const param of this.parameters()) {
      param.grad?.dispose();
      param.grad = null;
    }
  }

  /**
   * Returns settings and state for a checkpoint. The tensors are the optimiser's own, so read them before the next
   * step.
   */
  stateDict(): OptimizerState<O> {
    const groups = this.groups.map(({ params, ...group }) => ({ ...group, count: params.length }));
    const state: OptimizerState<O>["state"] = new Map();
    for (const [i, param] of [...this.parameters()].entries()) {
      const memory = this.#memory.get(param);
      if (memory) state.set(i, { step: memory.step, tensors: { ...memory.tensors } });
    }
    return { groups: groups as unknown as OptimizerState<O>["groups"], state };
  }

  /** Loads settings and a copy of the state. Throws if the state does not fit the parameters. */
  loadStateDict({ groups, state }: OptimizerState<O>): void {
    const params = [...this.parameters()];
    const counts = this.groups.map(({ params: { length } }) => length);
    if (groups.length !== counts.length || groups.some(({ count }, i) => count !== counts[i])) {
      const theirs = groups.map(({ count }) => count);
      throw new Error(
        `optimizer: the state has parameter groups of ${theirs} parameters; this optimizer has groups of ${counts}`,
      );
    }
    for (const [i, { tensors }] of state) {
      if (!params[i]) {
        throw new Error(
          `optimizer: the state has a parameter ${i}; this optimizer has parameters 0 to ${params.length - 1}`,
        );
      }
      const { shape } = params[i];
      const specs = this.#specsOf(params[i], groups[this.#groupOf(i)]);
      for (const [name, { shape: wanted, dtype }] of Object.entries(specs)) {
        const found = tensors[name];
        if (found?.dtype !== dtype || formatShape(found.shape) !== formatShape(wanted)) {
          throw new Error(
            `optimizer: state "${name}" of parameter ${i} ${formatShape(shape)} is missing, or has another shape or dtype`,
          );
        }
      }
    }
    this.dispose();
    for (const [i, { count: _, ...settings }] of groups.entries()) Object.assign(this.groups[i], settings);
    for (const [i, { step, tensors }] of state) {
      const names = Object.keys(this.#specsOf(params[i], this.groups[this.#groupOf(i)]));
      this.#memory.set(params[i], { step, tensors: Object.fromEntries(names.map((n) => [n, copyOf(tensors[n])])) });
    }
  }

  /** Moves the state to another backend. The parameters are moved by their module's `to`. */
  async to(backend: Backend | Promise<Backend>): Promise<this> {
    const tensors = [...this.#memory.values()].flatMap((memory) => Object.values(memory.tensors));
    await moveTensors(tensors, await backend);
    return this;
  }

  /** Frees the state tensors. */
  dispose(): void {
    this.#counted = [];
    for (const { tensors } of this.#memory.values()) for (const tensor of Object.values(tensors)) tensor.dispose();
    this.#memory.clear();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  /** Yields all parameters, group by group. */
  *parameters(): Iterable<Tensor> {
    for (const { params } of this.groups) yield* params;
  }

  #groupOf(index: number): number {
    let end = 0;
    return this.groups.findIndex(({ params }) => {
      end += params.length;
      return index < end;
    });
  }

  #memoryOf(param: Tensor, group: O): Memory {
    let memory = this.#memory.get(param);
    if (!memory) {
      const specs = Object.entries(this.#specsOf(param, group));
      const { backend } = param.storage;
      const make = ({ shape, dtype }: StateSpec) => keep(zeros(shape, { dtype, backend }));
      memory = { step: 0, tensors: Object.fromEntries(specs.map(([name, spec]) => [name, make(spec)])) };
      this.#memory.set(param, memory);
    }
    return memory;
  }
}

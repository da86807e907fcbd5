import type { Backend, TableKernel, TensorSpec } from "./backend.ts";
import { isPacked } from "./dtype.ts";
import { isGradEnabled } from "./gradMode.ts";
import { backendOf, type GroupedShape, type Op } from "./op.ts";
import { readsAreWatched } from "./reads.ts";
import { makeOutputs } from "./runOp.ts";
import { sameShape } from "./shape.ts";
import { boundChangeClock, type Storage } from "./storage.ts";
import { Tensor } from "./tensor.ts";

/** Constant inputs that go together into calls, such as the two factors of an adapter. */
interface Group {
  readonly tensors: readonly Tensor[];
  /** Where they lay when they were last looked at, and the latest write into one of them. */
  storages: readonly Storage[];
  version: number;
}

/** Parameters and first inputs of certain shapes for which a call was checked, and its result. */
interface Checked<P> {
  readonly params: P;
  readonly inputs: readonly TensorSpec[];
  readonly output: TensorSpec;
  /** The slots that it takes, and the time at which these were found good. */
  readonly slots: readonly number[];
  readonly clock: number;
}

/** The kernel that knows the groups, and what these were found to fit. */
interface Binding {
  readonly backend: Backend;
  readonly kernel: TableKernel;
  /** The part of the first inputs that counts. */
  readonly key: readonly number[];
  /** For each slot the time at which the kernel last knew its group. */
  readonly known: number[];
}

/**
 * Groups of constant inputs of an op, in slots by number. A call takes some of them, after inputs
 * of its own. Without gradients a group is checked and found in memory once for all calls: an op of
 * many small constants takes longer to look at them than to compute. Parameters and lists of slots
 * are checked again where they are other objects than at the call before, and must not be changed.
 */
export class InputTable<P> {
  readonly #op: Op<number, P>;
  readonly #grouped: GroupedShape<P>;
  readonly #groups: (Group | undefined)[] = [];
  #binding: Binding | null = null;
  #checked: Checked<P> | null = null;

  constructor(op: Op<number, P>) {
    const { name, grouped } = op.definition;
    if (!grouped) throw new Error(`InputTable: ${name} has no shape in groups; give its definition \`grouped\``);
    this.#op = op;
    this.#grouped = grouped;
  }

  /** Puts a group into a slot, in the place of the one that was there. */
  set(slot: number, tensors: readonly Tensor[]): void {
    this.#groups[slot] = { tensors, storages: [], version: -1 };
    this.#forget(slot);
  }

  delete(slot: number): void {
    this.#groups[slot] = undefined;
    this.#forget(slot);
  }

  #forget(slot: number): void {
    if (this.#binding) this.#binding.known[slot] = -1;
    this.#checked = null;
  }

  /** Computes the op on `inputs`, and on the groups in these slots after them. */
  run(slots: readonly number[], params: P, ...inputs: Tensor[]): Tensor {
    if (!isGradEnabled() && !readsAreWatched()) {
      const checked = this.#check(slots, params, inputs);
      if (checked) {
        const { backend, kernel } = this.#binding!;
        const [storage] = makeOutputs(backend, this.#op.definition.name, [checked.output], (outputs) =>
          kernel.run(slots, inputs, outputs, params),
        );
        return new Tensor(storage, checked.output);
      }
    }
    const plain = this.#op as unknown as (...args: unknown[]) => Tensor;
    return plain(...inputs, ...slots.flatMap((slot) => this.#group(slot).tensors), params);
  }

  #group(slot: number): Group {
    const group = this.#groups[slot];
    if (!group) throw new Error(`${this.#op.definition.name}: slot ${slot} of its table is empty; call set first`);
    return group;
  }

  /** Checks a call; null where the kernel cannot run it, or it must say what is wrong. */
  #check(slots: readonly number[], params: P, inputs: readonly Tensor[]): Checked<P> | null {
    const last = this.#checked;
    const clock = boundChangeClock();
    const isLast = last?.params === params && this.#fits(last, inputs);
    if (isLast && last.slots === slots && last.clock === clock) return last;
    const specs = isLast ? last.inputs : inputs.map((input) => input.spec());
    const output = isLast ? last.output : this.#grouped.shape(specs, params, slots.length);
    this.#checked = null;
    if (specs.some(isPackedSpec) || !this.#bind(backendOf(this.#op.definition, inputs), specs)) return null;
    for (const slot of slots) if (this.#binding!.known[slot] !== clock && !this.#know(slot, specs, clock)) return null;
    this.#checked = { params, inputs: specs, output, slots, clock };
    return this.#checked;
  }

  #fits({ inputs: specs }: Checked<P>, inputs: readonly Tensor[]): boolean {
    return (
      inputs.length === specs.length &&
      inputs.every(({ storage, shape, dtype }, i) => {
        return storage.backend === this.#binding!.backend && dtype === specs[i].dtype && sameShape(shape, specs[i].shape);
      })
    );
  }

  /** Asks a backend for its kernel; false where it has none for tables. */
  #bind(backend: Backend, first: readonly TensorSpec[]): boolean {
    const key = this.#grouped.key(first);
    const last = this.#binding;
    if (last?.backend === backend && sameShape(last.key, key)) return true;
    const kernel = backend.bind?.(this.#op.definition);
    this.#binding = kernel ? { backend, kernel, key, known: [] } : null;
    return kernel !== undefined;
  }

  /** Looks at a group again and tells the kernel; false where it does not fit. */
  #know(slot: number, first: readonly TensorSpec[], clock: number): boolean {
    const { backend, kernel, known } = this.#binding!;
    const group = this.#group(slot);
    const storages = group.tensors.map(({ storage }) => storage);
    const version = storages.reduce((latest, storage) => Math.max(latest, storage.version), 0);
    const isSame = version === group.version && storages.every((storage, i) => storage === group.storages[i]);
    if (!isSame || (known[slot] ?? -1) < 0) {
      const specs = group.tensors.map((tensor) => tensor.spec());
      if (storages.some((storage) => storage.backend !== backend)) return false;
      if (specs.some(isPackedSpec) || !this.#grouped.fits(first, specs)) return false;
      for (const storage of storages) storage.bound = true;
      kernel.set(slot, group.tensors);
      group.storages = storages;
      group.version = version;
    }
    known[slot] = clock;
    return true;
  }
}

const isPackedSpec = ({ dtype }: TensorSpec): boolean => isPacked(dtype);

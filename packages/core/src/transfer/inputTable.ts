import type { Backend, TableKernel, TensorSpec } from "../backends/backend.ts";
import { backendOf, type GroupedShape, type Op } from "../engine/op.ts";
import { isRecordingReads } from "../engine/reads.ts";
import { makeOutputs } from "../engine/runOp.ts";
import type { Storage, StorageWatcher } from "../engine/storage.ts";
import { Tensor } from "../engine/tensor.ts";
import { isPacked } from "../layout/dtype.ts";
import { sameShape } from "../layout/shape.ts";
import { isGradEnabled } from "../modes/gradMode.ts";

/** Constant input tensors in one slot of an `InputTable`, such as the two factors of a LoRA adapter. */
class Group implements StorageWatcher {
  readonly tensors: readonly Tensor[];
  /** Memory of the tensors at the time when the group was bound to the kernel. */
  #storages: readonly Storage[] = [];
  readonly #onChange: () => void;

  constructor(tensors: readonly Tensor[], onChange: () => void) {
    this.tensors = tensors;
    this.#onChange = onChange;
  }

  /**
   * Stores the memory of the group's tensors, and watches it for changes. The first change unbinds the group from the
   * kernel, so the next call that uses the group binds it again.
   */
  know(storages: readonly Storage[]): void {
    this.#storages = storages;
    for (const storage of storages) storage.watch(this);
  }

  changed(): void {
    this.forget();
    this.#onChange();
  }

  forget(): void {
    for (const storage of this.#storages) storage.unwatch(this);
    this.#storages = [];
  }
}

/**
 * Parameters, inputs, slots and output of the last call that passed its checks. A call with the same parameters, slots
 * and input shapes can skip the checks.
 */
interface Checked<P> {
  readonly params: P;
  readonly inputs: readonly TensorSpec[];
  readonly output: TensorSpec;
  /** Indices of the slots whose groups the call uses. */
  readonly slots: readonly number[];
}

/** A backend's kernel for the op, and the slots whose groups of constant inputs are bound to the kernel. */
interface Binding {
  readonly backend: Backend;
  readonly kernel: TableKernel;
  /**
   * Result of `GroupedShape.key` for the op's first inputs, which are the inputs before the groups. The bound groups
   * match all first inputs that have this key.
   */
  readonly key: readonly number[];
  /** For each slot, true if its group is bound to the kernel. `count` is the number of slots for which it is true. */
  readonly known: boolean[];
  count: number;
}

/**
 * Table of constant inputs for an op, such as the LoRA factors of several adapters. Each numbered slot holds a group of
 * tensors. A call passes the op's first inputs and a list of slots; the groups in these slots are its other inputs. If
 * no gradients are recorded, each group is checked and bound to the backend's kernel only once. The reason is that
 * checking many small constants takes longer than computing the op. Checks of parameters and slot lists are cached by
 * object identity, so callers must not change these objects.
 */
export class InputTable<P> {
  readonly #op: Op<number, P>;
  readonly #grouped: GroupedShape<P>;
  readonly #groups: (Group | undefined)[] = [];
  #binding: Binding | null = null;
  #checked: Checked<P> | null = null;

  constructor(op: Op<number, P>) {
    const { name, grouped } = op.definition;
    if (!grouped)
      throw new Error(`InputTable: the op ${name} does not take grouped inputs; add \`grouped\` to its definition`);
    this.#op = op;
    this.#grouped = grouped;
  }

  /** Sets the group in a slot, and replaces the previous one. */
  set(slot: number, tensors: readonly Tensor[]): void {
    this.delete(slot);
    this.#groups[slot] = new Group(tensors, () => this.#forget(slot));
  }

  delete(slot: number): void {
    this.#groups[slot]?.forget();
    this.#groups[slot] = undefined;
    this.#forget(slot);
  }

  #forget(slot: number): void {
    const binding = this.#binding;
    if (binding?.known[slot]) {
      binding.known[slot] = false;
      binding.count--;
    }
    this.#checked = null;
  }

  /** Runs the op on `inputs`, followed by the tensors of the groups in these slots. */
  run(slots: readonly number[], params: P, ...inputs: Tensor[]): Tensor {
    if (!isGradEnabled() && !isRecordingReads()) {
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
    if (!group)
      throw new Error(
        `${this.#op.definition.name}: slot ${slot} of its InputTable is empty; call set for this slot first`,
      );
    return group;
  }

  /**
   * Checks a call. Returns null if the backend has no kernel for the call, or if the inputs are invalid. The caller
   * then runs the op without the kernel, and the op throws its own error for invalid inputs.
   */
  #check(slots: readonly number[], params: P, inputs: readonly Tensor[]): Checked<P> | null {
    const last = this.#checked;
    if (last && last.slots === slots && last.params === params && this.#fits(last, inputs)) return last;
    this.#checked = null;
    const specs = inputs.map((input) => input.spec());
    const output = this.#grouped.shape(specs, params, slots.length);
    if (specs.some(isPackedSpec) || !this.#bind(backendOf(this.#op.definition, inputs), specs)) return null;
    const { known, count } = this.#binding!;
    // If all slots are bound, no slot is checked: a batch may use dozens.
    const all = count === this.#groups.length ? count : 0;
    for (const slot of slots) if (slot >= all && !known[slot] && !this.#know(slot, specs)) return null;
    this.#checked = { params, inputs: specs, output, slots };
    return this.#checked;
  }

  #fits({ inputs: specs }: Checked<P>, inputs: readonly Tensor[]): boolean {
    return (
      inputs.length === specs.length &&
      inputs.every(({ storage, shape, dtype }, i) => {
        return (
          storage.backend === this.#binding!.backend && dtype === specs[i].dtype && sameShape(shape, specs[i].shape)
        );
      })
    );
  }

  /**
   * Creates the backend's kernel for the op, unless the current kernel is for the same backend and for first inputs
   * with the same key. Returns false if the backend has no kernel that supports groups in slots.
   */
  #bind(backend: Backend, first: readonly TensorSpec[]): boolean {
    const key = this.#grouped.key(first);
    const last = this.#binding;
    if (last?.backend === backend && sameShape(last.key, key)) return true;
    for (const group of this.#groups) group?.forget();
    const kernel = backend.bind?.(this.#op.definition);
    this.#binding = kernel ? { backend, kernel, key, known: [], count: 0 } : null;
    return kernel !== undefined;
  }

  /**
   * Checks the group in a slot and binds it to the kernel. Returns false, without binding, if the group's shapes,
   * dtypes or backend do not match the call's first inputs.
   */
  #know(slot: number, first: readonly TensorSpec[]): boolean {
    const { backend, kernel, known } = this.#binding!;
    const group = this.#group(slot);
    const storages = group.tensors.map(({ storage }) => storage);
    if (storages.some((storage) => storage.backend !== backend)) return false;
    const specs = group.tensors.map((tensor) => tensor.spec());
    if (specs.some(isPackedSpec) || !this.#grouped.fits(first, specs)) return false;
    kernel.set(slot, group.tensors);
    group.know(storages);
    known[slot] = true;
    this.#binding!.count++;
    return true;
  }
}

const isPackedSpec = ({ dtype }: TensorSpec): boolean => isPacked(dtype);

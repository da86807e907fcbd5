import type { Backend, BoundGroup, TensorSpec } from "./backend.ts";
import { isPacked } from "./dtype.ts";
import { boundFreeClock, type Storage } from "./storage.ts";
import type { Tensor } from "./tensor.ts";

/**
 * Inputs that go together into many bound calls of an op, such as the two factors of an adapter.
 * What is found out about them holds for all of these calls.
 */
export class InputGroup implements BoundGroup {
  readonly op: object;
  readonly tensors: readonly Tensor[];
  readonly size: number;
  readonly specs: readonly TensorSpec[];
  /** The backend that holds all of them; null where there is none. */
  readonly backend: Backend | null;
  readonly hasPacked: boolean;
  readonly #storages: readonly Storage[];
  #freed = false;
  #looked = -1;
  /** The part that counts of the first inputs that they were last found to fit. */
  fits: readonly number[] | null = null;
  found?: unknown;

  constructor(op: object, tensors: readonly Tensor[]) {
    this.op = op;
    this.tensors = tensors;
    this.size = tensors.length;
    this.specs = tensors.map((tensor) => tensor.spec());
    this.hasPacked = tensors.some(({ dtype }) => isPacked(dtype));
    this.#storages = tensors.map(({ storage }) => storage);
    const backends = new Set(this.#storages.map(({ backend }) => backend));
    this.backend = backends.size === 1 ? this.#storages[0].backend : null;
    for (const storage of this.#storages) storage.bound = true;
  }

  /** True once the memory of one of them was freed: it was disposed of, or moved to elsewhere. */
  get freed(): boolean {
    const now = boundFreeClock();
    if (this.#looked !== now) {
      this.#looked = now;
      this.#freed = this.#storages.some(({ freed }) => freed);
    }
    return this.#freed;
  }
}

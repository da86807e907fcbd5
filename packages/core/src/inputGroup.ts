import type { Backend, BoundGroup, TensorSpec } from "./backend.ts";
import { isPacked } from "./dtype.ts";
import { boundChangeClock, type Storage } from "./storage.ts";
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
  #version = 0;
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
    this.#look();
    return this.#freed;
  }

  /** Grows with each write into one of them; what a backend found out before is forgotten then. */
  get version(): number {
    this.#look();
    return this.#version;
  }

  #look(): void {
    const now = boundChangeClock();
    if (this.#looked === now) return;
    this.#looked = now;
    this.#freed = this.#storages.some(({ freed }) => freed);
    const version = this.#storages.reduce((latest, storage) => Math.max(latest, storage.version), 0);
    if (version !== this.#version) this.found = undefined;
    this.#version = version;
  }
}

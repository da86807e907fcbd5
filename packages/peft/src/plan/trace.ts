import type { MetaBackend, MetaBuffer, MetaEvent } from "@lowrank/core";

/** The memory at the peak of a run, in bytes above the memory held before it. */
export interface Peak {
  readonly bytes: number;
  /** The phase of the run at that moment. */
  readonly phase: string;
  /** Bytes of parameter gradients at that moment. */
  readonly gradients: number;
  /** All other bytes at that moment: tensors saved for the backward pass, and temporary tensors. */
  readonly activations: number;
  /** The activations by the op that created them, largest first. */
  readonly byOp: readonly { readonly op: string; readonly bytes: number }[];
}

/** The memory of a run, in bytes above the memory held before it. */
export interface Traced {
  /** Bytes allocated and not freed at the end. */
  readonly held: number;
  /** Peak bytes of activations. */
  readonly mostActivations: number;
  /** The moment of peak memory. */
  readonly peak: Peak;
}

/** Records the memory on a `meta` backend from its construction. */
export class Trace {
  readonly #backend: MetaBackend;
  readonly #start: number;
  readonly #phases: { from: number; name: string }[] = [];
  readonly #gradients = new Map<MetaBuffer, number>();

  constructor(backend: MetaBackend) {
    this.#backend = backend;
    this.#start = backend.events.length;
  }

  /** Starts a phase with this name. */
  phase(name: string): void {
    this.#phases.push({ from: this.#backend.events.length - this.#start, name });
  }

  /** Marks a buffer as a parameter's gradient, counted with `bytes`. */
  gradient(buffer: MetaBuffer, bytes: number): void {
    this.#gradients.set(buffer, bytes);
  }

  /** Returns the memory of the run so far. */
  read(): Traced {
    const events = this.#backend.events.slice(this.#start);
    const own = new Set(events.flatMap(({ buffer, freed }) => (freed ? [] : [buffer])));
    /** Returns the change in bytes of an event, with buffer sizes from `of`. */
    const change = ({ buffer, freed }: MetaEvent, of: (buffer: MetaBuffer) => number): number =>
      own.has(buffer) ? (freed ? -of(buffer) : of(buffer)) : 0;
    const gradientOf = (buffer: MetaBuffer) => this.#gradients.get(buffer) ?? 0;
    const activationOf = (buffer: MetaBuffer) => (this.#gradients.has(buffer) ? 0 : buffer.planned);
    const gradients = runningSums(events.map((event) => change(event, gradientOf)));
    const activations = runningSums(events.map((event) => change(event, activationOf)));
    const bytes = activations.map((n, i) => n + gradients[i]);

    const worst = indexOfLargest(bytes);
    const byOp = new Map<string, number>();
    for (const event of events.slice(0, worst + 1)) {
      const { label: op = "" } = event.buffer;
      byOp.set(op, (byOp.get(op) ?? 0) + change(event, activationOf));
    }
    return {
      held: bytes.at(-1) ?? 0,
      mostActivations: activations[indexOfLargest(activations)] ?? 0,
      peak: {
        bytes: bytes[worst] ?? 0,
        phase: this.#phases.findLast(({ from }) => from <= worst)?.name ?? "",
        gradients: gradients[worst] ?? 0,
        activations: activations[worst] ?? 0,
        byOp: Array.from(byOp, ([op, bytes]) => ({ op, bytes }))
          .filter(({ bytes }) => bytes > 0)
          .sort((a, b) => b.bytes - a.bytes),
      },
    };
  }
}

function runningSums(changes: readonly number[]): Float64Array {
  let sum = 0;
  return Float64Array.from(changes, (change) => {
    sum += change;
    return sum;
  });
}

/** Returns the index of the first maximum; -1 if the array is empty. */
function indexOfLargest(numbers: Float64Array): number {
  let best = -1;
  numbers.forEach((number, i) => {
    if (best < 0 || number > numbers[best]) best = i;
  });
  return best;
}

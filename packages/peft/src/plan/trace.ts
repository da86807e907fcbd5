import type { MetaBackend, MetaBuffer, MetaEvent } from "@lowrank/core";

/** The memory at a run's peak, in bytes in addition to the memory in use before the run. */
export interface Peak {
  readonly bytes: number;
  /** Name of the phase of the run in which the peak occurs. */
  readonly phase: string;
  /** Bytes of parameter gradients at the peak. */
  readonly gradients: number;
  /** All other bytes at the peak: temporary tensors, and tensors kept for the backward pass. */
  readonly activations: number;
  /** The activation bytes grouped by the op that created them, largest first. */
  readonly byOp: readonly { readonly op: string; readonly bytes: number }[];
}

/** The memory of a run, in bytes in addition to the memory in use before it. */
export interface Traced {
  /** Bytes that the run allocated and did not free. */
  readonly held: number;
  /** Maximum of the activation bytes over the run. */
  readonly mostActivations: number;
  /** The moment at which the run needs most memory. */
  readonly peak: Peak;
}

/** Records allocations on a `meta` backend, from the construction of this object on. */
export class Trace {
  readonly #backend: MetaBackend;
  readonly #start: number;
  readonly #phases: { from: number; name: string }[] = [];
  readonly #gradients = new Map<MetaBuffer, number>();

  constructor(backend: MetaBackend) {
    this.#backend = backend;
    this.#start = backend.events.length;
  }

  /** Begins a phase of the run with this name, which `Peak.phase` can report. */
  phase(name: string): void {
    this.#phases.push({ from: this.#backend.events.length - this.#start, name });
  }

  /** Declares that a buffer is a parameter's gradient and counts as `bytes` bytes. */
  gradient(buffer: MetaBuffer, bytes: number): void {
    this.#gradients.set(buffer, bytes);
  }

  /** Returns the memory that the run needed so far. */
  read(): Traced {
    const events = this.#backend.events.slice(this.#start);
    const own = new Set(events.flatMap(({ buffer, freed }) => (freed ? [] : [buffer])));
    /**
     * Returns by how many bytes an event changes the memory in use: positive for an allocation, negative if a buffer is
     * freed. Returns 0 for buffers from before the run. `of` returns the bytes to count for a buffer.
     */
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

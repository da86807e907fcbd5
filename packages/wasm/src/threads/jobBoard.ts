/** A function that the WebAssembly module exports. */
export type Kernel = (...args: number[]) => unknown;

/**
 * A kernel call, divided into parts for threads. The work consists of `units`, such as rows, and each part processes
 * `chunk` of them. Part p processes the units from p * chunk up to, but not including, (p + 1) * chunk.
 */
export interface Job {
  /** The kernel's index among the module's exports. */
  kernel: number;
  args: number[];
  /**
   * Arguments that differ between parts, such as addresses. For a part whose first unit has index u, u * `step` is
   * added to argument `i`.
   */
  steps: [i: number, step: number][];
  units: number;
  chunk: number;
  /**
   * Index of the argument that receives the number of units in the part. `end` is the index of the argument for the end
   * of the part's range of units (exclusive). `scratch` is the index of the argument for the address of the thread's
   * scratch memory.
   */
  count?: number;
  end?: number;
  scratch?: number;
}

/** Bytes of shared memory of a board. */
export const boardBytes = 1024;

// Offsets of 4-byte words, a cache line apart, and of 8-byte floats after them.
const ticket = 0;
const finished = 16;
const trapped = 17;
const header = 24;
const headerLength = 7;
const mostArgs = 32;
const firstArg = header + headerLength;
const firstStep = firstArg + mostArgs;

/**
 * Number of bits that count parts in a ticket. A ticket is the shared word from which threads take parts. Its low bits
 * count the parts of the job that no thread has taken yet. Its other bits are the number of the job.
 */
const partBits = 8;
const partMask = 2 ** partBits - 1;

/** Largest number of parts of a job. */
export const maxParts: number = partMask;

/** Value that replaces an argument's index if the kernel does not have this argument. */
const none = -1;

/** Number of times that a thread checks for work before it sleeps: about 10 µs, the usual time between two kernels. */
const spins = 4000;

/**
 * Runs one job at a time: distributes its parts to the caller and the workers, through shared memory. Threads take
 * parts one by one. The views of the shared memory stay valid when it grows, since a shared buffer never moves.
 */
export class JobBoard {
  readonly #words: Int32Array;
  readonly #numbers: Float64Array;
  readonly #kernels: readonly Kernel[];
  readonly #scratch: number | undefined;
  readonly #mayWait: boolean;

  /**
   * `scratch` is the address of this thread's scratch memory. The main thread omits it and uses the address that the
   * job's arguments contain.
   */
  constructor(memory: WebAssembly.Memory, ptr: number, kernels: readonly Kernel[], scratch?: number) {
    this.#words = new Int32Array(memory.buffer, ptr, boardBytes / 4);
    this.#numbers = new Float64Array(memory.buffer, ptr, boardBytes / 8);
    this.#kernels = kernels;
    this.#scratch = scratch;
    this.#mayWait = mayWait(this.#words);
  }

  /** Runs a job: publishes it, works on its parts too, and returns when all parts are done. Throws if a part failed. */
  run({ kernel, args, steps, units, chunk, count = none, end = none, scratch = none }: Job): void {
    const [words, numbers] = [this.#words, this.#numbers];
    const parts = Math.ceil(units / chunk);
    numbers.set([kernel, args.length, units, chunk, count, end, scratch], header);
    numbers.set(args, firstArg);
    numbers.fill(0, firstStep, firstStep + args.length);
    for (const [i, step] of steps) numbers[firstStep + i] = step;
    words[finished] = 0;
    words[trapped] = 0;
    Atomics.store(words, ticket, (((Atomics.load(words, ticket) >>> partBits) + 1) << partBits) | parts);
    Atomics.notify(words, ticket, parts - 1);
    this.work();
    let done = Atomics.load(words, finished);
    for (let look = 0; done < parts; done = Atomics.load(words, finished)) {
      if (look < spins) look++;
      else if (this.#mayWait) Atomics.wait(words, finished, done);
    }
    if (Atomics.load(words, trapped)) throw new Error("wasm: a kernel failed; its arguments reach outside the memory");
  }

  /** Processes parts of the current job until none is left. */
  work(): void {
    const words = this.#words;
    for (let t = Atomics.load(words, ticket); t & partMask; t = Atomics.load(words, ticket)) {
      if (Atomics.compareExchange(words, ticket, t, t - 1) !== t) continue;
      // From here on the job cannot change until this part is done.
      const parts = Math.ceil(this.#numbers[header + 2] / this.#numbers[header + 3]);
      try {
        this.#doPart(parts - (t & partMask));
      } catch {
        Atomics.store(words, trapped, 1);
      }
      if (Atomics.add(words, finished, 1) + 1 === parts) Atomics.notify(words, finished);
    }
  }

  /**
   * Main loop of a worker thread: works on jobs, checks briefly for the next one, then sleeps until there is one. Never
   * returns.
   */
  serve(): never {
    const words = this.#words;
    for (;;) {
      this.work();
      let t = Atomics.load(words, ticket);
      for (let look = 0; look < spins && !(t & partMask); look++) t = Atomics.load(words, ticket);
      if (!(t & partMask)) Atomics.wait(words, ticket, t);
    }
  }

  #doPart(part: number): void {
    const [kernel, length, units, chunk, count, end, scratch] = this.#numbers.subarray(header, firstArg);
    const start = part * chunk;
    const stop = Math.min(units, start + chunk);
    const args = Array.from({ length }, (_, i) => this.#numbers[firstArg + i] + start * this.#numbers[firstStep + i]);
    if (count >= 0) args[count] = stop - start;
    if (end >= 0) args[end] -= units - stop;
    if (scratch >= 0 && this.#scratch !== undefined) args[scratch] = this.#scratch;
    this.#kernels[kernel](...args);
  }
}

/** Returns true if this thread may block. The main thread of a page may not. */
function mayWait(words: Int32Array): boolean {
  try {
    Atomics.wait(words, ticket, -1, 0);
    return true;
  } catch {
    return false;
  }
}

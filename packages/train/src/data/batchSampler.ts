import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
/**
 * Creates a random source for each epoch, independent of the other epochs. A `Generator` of @lowrank/core is such an
 * object.
 */
export interface EpochShuffler {
  fork(epoch: number): EpochRandom;
}

/** The random source of one epoch. */
export interface EpochRandom {
  permutation(n: number): Int32Array;
}

/** A sampler's position: in epoch `epoch`, `position` examples have been used. */
export interface SamplerState {
  epoch: number;
  position: number;
}

/** Options of a `BatchSampler`. */
export interface BatchSamplerOptions {
  batchSize: number;
  /** Shuffles the examples, differently in each epoch. Default: examples keep their order. */
  shuffle?: EpochShuffler;
  /**
   * Length of each example. If `lengths` and `shuffle` are set, batches contain examples of similar length, which
   * reduces padding.
   */
  lengths?: ArrayLike<number>;
  /** Drops an epoch's last batch if it is smaller than the others. Default: false. */
  dropLast?: boolean;
}

/** Yields batches of example indices without end, epoch after epoch. Set `state` to continue from a saved position. */
export class BatchSampler {
  /** Number of examples. */
  readonly count: number;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly #shuffle: EpochShuffler | undefined;
  readonly #lengths: ArrayLike<number> | undefined;
  #epoch = 0;
  #position = 0;
  #order: Int32Array | undefined;

  constructor(count: number, options: BatchSamplerOptions) {
    checkOptions("BatchSampler", options, { batchSize: true, shuffle: true, lengths: true, dropLast: true });
    const { batchSize, shuffle, lengths, dropLast = false } = options;
    check("count", count, 1);
    check("batchSize", batchSize, 1);
    this.count = count;
    this.batchSize = batchSize;
    this.batchesPerEpoch = dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize);
    this.#shuffle = shuffle;
    this.#lengths = lengths;
    if (lengths && lengths.length !== count) {
      throw new Error(
        `BatchSampler: there are ${lengths.length} lengths for ${count} examples; give one length for each example`,
      );
    }
    if (this.batchesPerEpoch === 0) {
      throw new Error(
        `BatchSampler: ${count} examples are fewer than batchSize ${batchSize}, and dropLast drops an incomplete batch; set dropLast: false`,
      );
    }
  }

  /** A copy of the sampler's position, for a checkpoint. */
  get state(): SamplerState {
    return { epoch: this.#epoch, position: this.#position };
  }

  set state({ epoch, position }: SamplerState) {
    check("epoch", epoch, 0);
    check("position", position, 0);
    if (position >= this.batchesPerEpoch * this.batchSize) {
      throw new Error(`BatchSampler: position ${position} is beyond an epoch of ${this.count} examples`);
    }
    if (epoch !== this.#epoch) this.#order = undefined;
    this.#epoch = epoch;
    this.#position = position;
  }

  /** Returns the indices of the next batch. */
  next(): Int32Array {
    this.#order ??= this.#orderOf(this.#shuffle?.fork(this.#epoch));
    const batch = this.#order.slice(this.#position, this.#position + this.batchSize);
    this.#position += this.batchSize;
    if (this.#position >= this.batchesPerEpoch * this.batchSize) {
      this.#position = 0;
      this.#epoch++;
      this.#order = undefined;
    }
    return batch;
  }

  #orderOf(random: EpochRandom | undefined): Int32Array {
    if (!random) return Int32Array.from({ length: this.count }, (_, i) => i);
    const order = random.permutation(this.count);
    // A batch of one example needs no padding.
    return this.#lengths && this.batchSize > 1 ? this.#groupByLength(order, this.#lengths, random) : order;
  }

  /**
   * Sorts the examples by length within groups of `batchesSortedTogether` batches. Then cuts them into batches and
   * shuffles the batches. A smaller last batch stays at the end.
   */
  #groupByLength(order: Int32Array, lengths: ArrayLike<number>, random: EpochRandom): Int32Array {
    const stretch = batchesSortedTogether * this.batchSize;
    const full = order.length - (order.length % this.batchSize);
    for (let at = 0; at < full; at += stretch) {
      order.subarray(at, Math.min(at + stretch, full)).sort((a, b) => lengths[a] - lengths[b]);
    }
    // Copies indices instead of building a list of batches, which for millions of examples would use more memory.
    const out = order.slice();
    const batches = random.permutation(full / this.batchSize);
    for (let i = 0; i < batches.length; i++) {
      const from = batches[i] * this.batchSize;
      for (let k = 0; k < this.batchSize; k++) out[i * this.batchSize + k] = order[from + k];
    }
    return out;
  }
}

/**
 * Number of batches in a group whose examples are sorted by length. A larger number reduces padding; a smaller one
 * makes batches more random. transformers uses 50.
 */
const batchesSortedTogether = 50;

function check(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new OptionError("BatchSampler", name, value, `is ${value}; expected a whole number of at least ${least}`);
  }
}

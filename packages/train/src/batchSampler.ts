/** Gives each epoch its own random numbers: a `Generator` of @lowrank/core is one. */
export interface EpochShuffler {
  fork(epoch: number): { permutation(n: number): Int32Array };
}

/** Where a sampler stands: `position` examples of `epoch` were taken. */
export interface SamplerState {
  epoch: number;
  position: number;
}

/** Options of a `BatchSampler`. */
export interface BatchSamplerOptions {
  batchSize: number;
  /** Orders each epoch anew; without it, examples come as they are. */
  shuffle?: EpochShuffler;
  /** Leave out an epoch's last batch where it is smaller. Default false. */
  dropLast?: boolean;
}

/** Endless batches of example indices, epoch after epoch. Setting `state` goes on as if never stopped. */
export class BatchSampler {
  /** How many examples there are. */
  readonly count: number;
  readonly batchSize: number;
  readonly batchesPerEpoch: number;
  readonly #shuffle: EpochShuffler | undefined;
  #epoch = 0;
  #position = 0;
  #order: Int32Array | undefined;

  constructor(count: number, { batchSize, shuffle, dropLast = false }: BatchSamplerOptions) {
    check("count", count, 1);
    check("batchSize", batchSize, 1);
    this.count = count;
    this.batchSize = batchSize;
    this.batchesPerEpoch = dropLast ? Math.floor(count / batchSize) : Math.ceil(count / batchSize);
    this.#shuffle = shuffle;
    if (this.batchesPerEpoch === 0) {
      throw new Error(`BatchSampler: ${count} examples make no batch of ${batchSize}; set dropLast: false`);
    }
  }

  /** A copy of where the sampler stands, for a checkpoint. */
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

  /** The indices of the next batch. */
  next(): Int32Array {
    this.#order ??=
      this.#shuffle?.fork(this.#epoch).permutation(this.count) ?? Int32Array.from({ length: this.count }, (_, i) => i);
    const batch = this.#order.slice(this.#position, this.#position + this.batchSize);
    this.#position += this.batchSize;
    if (this.#position >= this.batchesPerEpoch * this.batchSize) {
      this.#position = 0;
      this.#epoch++;
      this.#order = undefined;
    }
    return batch;
  }
}

function check(name: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new Error(`BatchSampler: ${name} is ${value}; expected a whole number of at least ${least}`);
  }
}

import { OptionError } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { TokenizedExample } from "../tokens/tokenize.ts";

/** Options of `packExamples`. */
export interface PackOptions {
  /** Maximum number of tokens in a block. */
  blockSize: number;
}

/** Several documents in one row. They do not attend to each other. */
export interface PackedExample extends TokenizedExample {
  /** The number of tokens of each document, in order. */
  seqLengths: number[];
}

/**
 * Packs several examples into each row of up to `blockSize` tokens, which reduces padding. Examples are not split; an
 * example longer than `blockSize` gets its own row. All examples of a row train the same adapter and are ordered from
 * longest to shortest. Uses best-fit decreasing, like TRL's `packing`.
 */
export function packExamples(examples: readonly TokenizedExample[], options: PackOptions): PackedExample[] {
  checkOptions("packExamples", options, { blockSize: true });
  const { blockSize } = options;
  checkBlockSize(blockSize, 1);
  return [...Map.groupBy(examples, ({ adapterName }) => adapterName).values()].flatMap((ofAdapter) => {
    const lengths = ofAdapter.map(({ inputIds }) => inputIds.length);
    return bestFit(lengths, blockSize).map((members) => joined(Array.from(members, (i) => ofAdapter[i])));
  });
}

/** Joins examples for the same adapter to one row. */
export function joined(examples: readonly TokenizedExample[]): PackedExample {
  const [{ adapterName }] = examples;
  const types = examples.flatMap(({ inputTypeMask }) => inputTypeMask ?? []);
  return {
    inputIds: examples.flatMap(({ inputIds }) => inputIds),
    labels: examples.flatMap(({ labels }) => labels),
    seqLengths: examples.map(({ inputIds }) => inputIds.length),
    ...(adapterName !== undefined && { adapterName }),
    ...(types.length > 0 && { inputTypeMask: types }),
  };
}

/**
 * Packs items of the given lengths into bins of `size` with best-fit decreasing: longest first, each into the fullest
 * bin that still has space for it. Returns the item indices of each bin. An item longer than `size` gets its own bin.
 * Equal lengths keep their order, so the result is deterministic.
 */
export function bestFit(lengths: ArrayLike<number>, size: number): Uint32Array[] {
  const order = Uint32Array.from(lengths, (_, i) => i).sort((a, b) => lengths[b] - lengths[a]);
  const bins: number[][] = [];
  const open = new OpenBins(size);
  for (const item of order) {
    const length = lengths[item];
    const found = open.take(Math.min(length, size));
    const bin = found ?? { number: bins.push([]) - 1, room: size };
    bins[bin.number].push(item);
    open.put(bin.number, Math.max(0, bin.room - length));
  }
  return bins.map((bin) => Uint32Array.from(bin));
}

/** Bins that are not full yet, indexed by their free space. */
class OpenBins {
  readonly #byRoom: number[][] = [];
  /**
   * Number of bins for each amount of free space, in a binary tree: node i is the sum of its children 2i and 2i + 1.
   */
  readonly #counts: Uint32Array;
  readonly #leaves: number;

  constructor(size: number) {
    this.#leaves = 2 ** Math.ceil(Math.log2(size + 1));
    this.#counts = new Uint32Array(2 * this.#leaves);
  }

  put(number: number, room: number): void {
    this.#byRoom[room] ??= [];
    this.#byRoom[room].push(number);
    for (let node = this.#leaves + room; node; node >>= 1) this.#counts[node]++;
  }

  /**
   * Removes and returns the fullest bin with at least `room` free space. The result contains the bin's `number`, and
   * its free space as `room`. Returns undefined if no bin has enough space.
   */
  take(room: number): { number: number; room: number } | undefined {
    let node = this.#leaves + room;
    // Moves up to the first right subtree with a bin, then down to its leftmost one.
    while (this.#counts[node] === 0) {
      while (node % 2 === 1) node >>= 1;
      if (node === 0) return undefined;
      node++;
    }
    while (node < this.#leaves) node = this.#counts[2 * node] > 0 ? 2 * node : 2 * node + 1;
    const found = node - this.#leaves;
    const number = this.#byRoom[found].pop() as number;
    for (let up = node; up; up >>= 1) this.#counts[up]--;
    return { number, room: found };
  }
}

/** Options of `blocks`. */
export interface BlocksOptions {
  /** Number of tokens in a block, including the token `bosTokenId`. */
  blockSize: number;
  /** Id of a token (usually BOS) to put before each block. Default: none. */
  bosTokenId?: number | null;
  /** Drops the last block if it is shorter. Default: false. */
  dropLast?: boolean;
}

/**
 * Splits a long text into blocks of `blockSize` tokens: the token `bosTokenId`, if given, and the next tokens of the
 * text. Each token of the text is in one block and is a label there.
 */
export function blocks(tokens: ArrayLike<number>, options: BlocksOptions): TokenizedExample[] {
  checkOptions("blocks", options, { blockSize: true, bosTokenId: true, dropLast: true });
  const { blockSize, bosTokenId = null, dropLast = false } = options;
  const start = bosTokenId === null ? [] : [bosTokenId];
  const step = blockSize - start.length;
  checkBlockSize(blockSize, start.length + 1);
  const found: TokenizedExample[] = [];
  for (let at = 0; at < tokens.length; at += step) {
    const size = Math.min(step, tokens.length - at);
    if (dropLast && size < step) break;
    const inputIds = [...start, ...Array.from({ length: size }, (_, i) => tokens[at + i])];
    found.push({ inputIds, labels: [...inputIds] });
  }
  return found;
}

/** Throws unless `blockSize` is an integer of at least `least`. */
export function checkBlockSize(blockSize: number, least: number): void {
  if (!Number.isSafeInteger(blockSize) || blockSize < least) {
    throw new OptionError("", "blockSize", blockSize, `is ${blockSize}; expected a whole number of at least ${least}`);
  }
}

import { checkOptions } from "@lowrank/core/internal";
import type { TokenizedExample } from "../tokens/tokenize.ts";

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
 * Splits a long text into blocks of BOS and the next `blockSize - 1` tokens. Every token is a label in exactly one
 * block.
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
    throw new Error(`blockSize is ${blockSize}; expected a whole number of at least ${least}`);
  }
}

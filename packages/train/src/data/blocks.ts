import { checkOptions } from "@lowrank/core";
import type { TokenizedExample } from "./tokenize.ts";

/** Options of `blocks`. */
export interface BlocksOptions {
  /** Tokens in a block, BOS included. */
  blockSize: number;
  /** Put before each block; none by default. */
  bosTokenId?: number | null;
  /** Leave out a last block that is shorter. Default false. */
  dropLast?: boolean;
}

/**
 * Cuts a long text into blocks of BOS and the next `blockSize - 1` tokens; every
 * token is learned, each once.
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

/** Throws for a size that is no whole number, or too small. */
export function checkBlockSize(blockSize: number, least: number): void {
  if (!Number.isSafeInteger(blockSize) || blockSize < least) {
    throw new Error(`blockSize is ${blockSize}; expected a whole number of at least ${least}`);
  }
}

/** A text that waits for its embedding. */
export interface WaitingText {
  readonly tokens: readonly number[];
  /** The number of tokens with padding. */
  readonly padded: number;
  /** The version of the adapter that it is embedded with; null: none. */
  readonly version: string | null;
  resolve(embedding: Float32Array): void;
  reject(error: unknown): void;
}

/** The most that a pass holds. */
export interface PassLimits {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
}

/** Texts of all requests, in the order in which they came. */
export class TextQueue {
  #waiting: WaitingText[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  push(texts: readonly WaitingText[]): void {
    this.#waiting.push(...texts);
  }

  /**
   * Takes the texts of the next pass out: the oldest one, and with it those of the same length with
   * padding and the same adapter.
   */
  take({ maxNumSeqs, maxNumBatchedTokens }: PassLimits): WaitingText[] {
    if (this.#waiting.length === 0) return [];
    const [{ padded, version }] = this.#waiting;
    const most = Math.max(1, Math.min(maxNumSeqs, Math.floor(maxNumBatchedTokens / padded)));
    const taken = this.#waiting.filter((text) => text.padded === padded && text.version === version).slice(0, most);
    const gone = new Set(taken);
    this.#waiting = this.#waiting.filter((text) => !gone.has(text));
    return taken;
  }

  /** Takes all texts out. */
  clear(): WaitingText[] {
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }
}

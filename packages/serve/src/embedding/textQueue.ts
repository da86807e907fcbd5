/** Text that waits for its embedding. */
export interface WaitingText {
  readonly tokens: readonly number[];
  /** Number of tokens to which the text is padded. */
  readonly padded: number;
  /** Version of the text's adapter; null for none. */
  readonly version: string | null;
  resolve(embedding: Float32Array): void;
  reject(error: unknown): void;
}

/** Limits on the texts of one pass. */
export interface PassLimits {
  readonly maxNumSeqs: number;
  readonly maxNumBatchedTokens: number;
}

/** Queue of the texts of all requests, in order of arrival. */
export class TextQueue {
  #waiting: WaitingText[] = [];

  get length(): number {
    return this.#waiting.length;
  }

  push(texts: readonly WaitingText[]): void {
    this.#waiting.push(...texts);
  }

  /**
   * Removes and returns the texts of the next pass: the oldest text, and other texts with the same padded length and
   * adapter, as many as the limits allow.
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

  /** Removes and returns all waiting texts. */
  clear(): WaitingText[] {
    const all = this.#waiting;
    this.#waiting = [];
    return all;
  }
}

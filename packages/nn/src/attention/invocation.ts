/** An adapter that acts from an invocation in each sequence on (aLoRA), or the adapters of a batch's rows. */
export interface Invocation {
  /**
   * Returns the index of the prompt's first token on which the adapter of row `row` acts: the first token of the last
   * invocation. Null if the prompt lacks the invocation, or if the row's adapter acts on all tokens.
   */
  start(prompt: readonly number[], row: number): number | null;
}

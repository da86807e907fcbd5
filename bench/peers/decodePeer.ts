/** A decoding task: run the prompt in one pass, then generate greedy tokens one by one, ignoring EOS. */
export interface DecodeTask {
  prompt: string;
  promptTokens: number;
  newTokens: number;
}

/** Milliseconds to the first new token, and from there to the last. */
export interface DecodeTiming {
  promptMs: number;
  decodeMs: number;
  text: string;
}

/** A loaded model of one implementation. Every call runs the prompt again. */
export interface DecodePeer {
  name: string;
  decode: () => Promise<DecodeTiming>;
}

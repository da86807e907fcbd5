/** A prompt that is read in one go, then greedy tokens one by one, past any end of a text. */
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

/** A loaded model of one implementation; every call reads the prompt anew. */
export interface DecodePeer {
  name: string;
  decode: () => Promise<DecodeTiming>;
}

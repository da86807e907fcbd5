import { createHash } from "node:crypto";

let state = 0;
let time = 0;

/** Sets the time in seconds, and seeds the random values until the next call. */
export function setMoment(name: string, seconds: number): void {
  state = 2166136261;
  for (let i = 0; i < name.length; i++) state = Math.imul(state ^ name.charCodeAt(i), 16777619);
  // xorshift32 stays at 0.
  state ||= 1;
  time = 1_700_000_000_000 + seconds * 1000;
}

function next(): number {
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return state >>> 0;
}

function hexWord(): string {
  return next().toString(16).padStart(8, "0");
}

/**
 * Replaces the clock and the random values by the ones of `setMoment`, and computes hashes synchronously. Returns a
 * function that restores them. Spies of Vitest would keep every call.
 */
export function takeMoments(): () => void {
  const { now } = Date;
  const { random } = Math;
  const { randomUUID, getRandomValues, subtle } = crypto;
  const { digest } = subtle;
  const performanceNow = performance.now;
  const { stackTraceLimit } = Error;
  // Refusals are errors, and most of them are expected.
  Error.stackTraceLimit = 0;
  Date.now = () => time;
  Math.random = () => next() / 2 ** 32;
  performance.now = () => time;
  crypto.randomUUID = () => `${hexWord()}-${hexWord()}-${hexWord()}-${hexWord()}-${hexWord()}`;
  crypto.getRandomValues = (array) => {
    const values = array as unknown as Uint8Array;
    for (let i = 0; i < values.length; i++) values[i] = next();
    return array;
  };
  // Node's own digest runs in another thread, which the test would have to wait for.
  subtle.digest = async (_, data) => {
    const hash = createHash("sha256").update(data as Uint8Array);
    return Uint8Array.from(hash.digest()).buffer;
  };
  return () => {
    Error.stackTraceLimit = stackTraceLimit;
    Date.now = now;
    Math.random = random;
    performance.now = performanceNow;
    crypto.randomUUID = randomUUID;
    crypto.getRandomValues = getRandomValues;
    subtle.digest = digest;
  };
}

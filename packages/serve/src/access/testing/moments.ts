import { createHash } from "node:crypto";

let state = 0;
let time = 0;

/** Sets the time in seconds, and the values that are drawn until the next moment. */
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
 * Takes the time and random values from moments, and computes hashes at once. Returns the function
 * that ends this. Spies of Vitest would keep every call.
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
  // Another thread would have to be waited for.
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

/**
 * The result of one comparison. `error` describes a failure, `off` is the size of the error, `skipped` is the reason
 * why it was not made, and `note` is additional information.
 */
export interface Check {
  name: string;
  error?: string;
  off?: number;
  skipped?: string;
  note?: string;
}

type Numbers = ArrayLike<number>;

function worst(actual: Numbers, expected: Numbers): { difference: number; at: number; largest: number } {
  let difference = 0;
  let at = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    largest = Math.max(largest, Math.abs(expected[i]));
    const d = Math.abs(actual[i] - expected[i]);
    if (d > difference || Number.isNaN(d)) [difference, at] = [Number.isNaN(d) ? Number.POSITIVE_INFINITY : d, i];
  }
  return { difference, at, largest };
}

function verdict(name: string, actual: Numbers, expected: Numbers, limitOf: (largest: number) => number): Check {
  if (actual.length !== expected.length) {
    return { name, error: `${actual.length} numbers instead of ${expected.length}` };
  }
  const { difference, at, largest } = worst(actual, expected);
  const limit = limitOf(largest);
  if (difference <= limit) return { name };
  const sizes = `off by ${difference.toExponential(2)}, allowed ${limit.toExponential(2)}`;
  return { name, off: difference, error: `${sizes}: [${at}] is ${actual[at]} instead of ${expected[at]}` };
}

/** Checks that each value is within `tolerance` of the expected value. */
export function within(name: string, actual: Numbers, expected: Numbers, tolerance: number): Check {
  return verdict(name, actual, expected, () => tolerance);
}

/**
 * Checks that each value is within `tolerance` times the tensor's largest magnitude, or within `floor` if that is
 * larger.
 */
export function withinOfLargest(name: string, actual: Numbers, expected: Numbers, tolerance: number, floor = 0): Check {
  return verdict(name, actual, expected, (largest) => Math.max(tolerance * largest, floor));
}

/** Checks that each value is within `tolerance` of the expected value, relative to that value. */
export function withinEach(name: string, actual: Numbers, expected: Numbers, tolerance: number): Check {
  const ratios = Array.from(expected, (e, i) => actual[i] / e);
  const check = verdict(
    name,
    ratios,
    ratios.map(() => 1),
    () => tolerance,
  );
  return check.error
    ? { name, error: `${check.error} (ratios of ${Array.from(actual)} and ${Array.from(expected)})` }
    : check;
}

/** Checks that all bytes are equal; an error gives both lengths. */
export function sameBytes(name: string, actual: Uint8Array, expected: Uint8Array): Check {
  if (actual.length === expected.length && actual.every((byte, i) => byte === expected[i])) return { name };
  return { name, error: `${actual.length} bytes differ from the ${expected.length} that are expected` };
}

/** Checks that all values are equal. */
export function equal(name: string, actual: Numbers, expected: Numbers): Check {
  return within(name, actual, expected, 0);
}

/** Named results of one side: logits, loss, merged_logits, losses, and `grad.<parameter>`. */
export type Results = Map<string, Float32Array>;

/** The differences between the results of both sides. The check passes if `problems` is empty. */
export interface Findings {
  /**
   * The largest difference for each kind of result, relative to the largest element of its tensor or to a minimum size.
   */
  differences: Map<string, number>;
  problems: string[];
}

/** Allowed differences for each kind of result, relative to a tensor's largest element. */
export type Tolerances = Record<"logits" | "merged_logits" | "loss" | "grad" | "losses", number>;

/**
 * The default tolerances. On these small models two correct float32 programs that add in different orders differ by a
 * few 1e-7, and PEFT's own merge changes logits by up to 2e-6. 2e-5 is ten times that. A wrong scale, rank, mask or
 * transpose causes 1e-2 or more. Gradients pass through the layers twice. In a loss, a mean, differences cancel. Losses
 * of further training include AdamW's quotients, in which rounding of small gradients has its full effect.
 */
export const usualTolerances: Tolerances = {
  logits: 2e-5,
  merged_logits: 2e-5,
  loss: 1e-5,
  grad: 1e-4,
  losses: 2e-5,
};

/**
 * Differences of gradients below which they count as equal: absolute, and relative to the adapter's largest gradient.
 * Gradients that are exactly zero are rounding noise on both sides, and with saturated attention gradients are
 * differences of larger values.
 */
const gradientFloor = { absolute: 1e-6, ofLargest: 1e-5 };

/** A loss near zero is the logarithm of a probability near 1, which float32 represents with an error of about 1e-7. */
const lossFloor = 1e-6;

/** Compares results by name. A result of only one side is a problem. */
export function compare(ours: Results, theirs: Results, tolerances: Tolerances = usualTolerances): Findings {
  const differences = new Map<string, number>();
  const problems = [...theirs.keys()].filter((name) => !ours.has(name)).map((name) => `Lowrank gives no ${name}`);
  const gradients = [...theirs].filter(([name]) => name.startsWith("grad.")).map(([, values]) => largestEntry(values));
  const grad = Math.max(gradientFloor.absolute, gradientFloor.ofLargest * Math.max(0, ...gradients));
  const floors: Record<keyof Tolerances, number> = {
    logits: 0,
    merged_logits: 0,
    loss: lossFloor,
    grad,
    losses: lossFloor,
  };
  for (const [name, values] of ours) {
    const expected = theirs.get(name);
    if (!expected) {
      problems.push(`PEFT gives no ${name}`);
      continue;
    }
    const kind = name.split(".")[0] as keyof Tolerances;
    const difference = relativeDifference(values, expected, floors[kind] / tolerances[kind]);
    differences.set(kind, Math.max(difference, differences.get(kind) ?? 0));
    if (!(difference <= tolerances[kind])) {
      problems.push(`${name} differs by ${difference.toExponential(1)}, allowed ${tolerances[kind]}`);
    }
  }
  return { differences, problems };
}

/**
 * Returns the largest difference divided by the largest element, or by `least` if that is larger. Infinity for
 * different lengths or NaN.
 */
export function relativeDifference(actual: Float32Array, expected: Float32Array, least = 0): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  let difference = 0;
  for (let i = 0; i < expected.length; i++) {
    const d = Math.abs(actual[i] - expected[i]);
    if (Number.isNaN(d)) return Number.POSITIVE_INFINITY;
    difference = Math.max(difference, d);
  }
  return difference === 0 ? 0 : difference / Math.max(least, largestEntry(expected));
}

function largestEntry(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

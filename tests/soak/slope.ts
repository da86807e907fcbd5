/** A line fitted to memory over time. */
export interface Slope {
  /** Bytes a second. */
  readonly perSecond: number;
  /** The standard error of `perSecond`. */
  readonly error: number;
  /** Seconds from the first point to the last. */
  readonly seconds: number;
  readonly meanBytes: number;
}

interface Sample {
  readonly seconds: number;
  readonly bytes: number;
}

/** The parts into which a life's steady time is cut. */
const parts = 12;

/** The fraction of a life that is warm-up: code is compiled, heaps and pools reach their size. */
const warmUp = 0.3;

/** The least seconds of warm-up, also in a short life: busy replicas grew for four minutes. */
const leastWarmUp = 300;

/** The seconds of steady time that a slope needs. */
const leastSteady = 300;

/** The seconds that a process must live for its memory to be checked. */
export const leastLife: number = leastWarmUp + leastSteady;

/** Student's t for ten degrees of freedom, which one sample in 40 exceeds by chance. */
const t = 2.228;

/** The fraction of the mean by which memory may rise over the steady time. */
const mostRise = 0.05;

/**
 * Fits a line to a process's memory after its warm-up. The steady time is cut into parts, and the minimum of each
 * counts: garbage comes and goes, but a leak raises the minimum. Returns null if the time is too short.
 */
export function fitSlope(samples: readonly Sample[]): Slope | null {
  if (samples.length === 0) return null;
  const [first, last] = [samples[0].seconds, (samples.at(-1) as Sample).seconds];
  const warm = first + Math.max(leastWarmUp, warmUp * (last - first));
  const steady = samples.filter(({ seconds }) => seconds >= warm);
  if (last - warm < leastSteady || steady.length < 2 * parts) return null;
  const points = Array.from({ length: parts }, (_, i) => {
    const part = steady.slice((i * steady.length) / parts, ((i + 1) * steady.length) / parts);
    return part.reduce((least, sample) => (sample.bytes < least.bytes ? sample : least));
  });
  const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const [x, y] = [mean(points.map(({ seconds }) => seconds)), mean(points.map(({ bytes }) => bytes))];
  const spread = points.reduce((sum, { seconds }) => sum + (seconds - x) ** 2, 0);
  const perSecond = points.reduce((sum, { seconds, bytes }) => sum + (seconds - x) * (bytes - y), 0) / spread;
  const residue = points.reduce((sum, { seconds, bytes }) => sum + (bytes - y - perSecond * (seconds - x)) ** 2, 0);
  const error = Math.sqrt(residue / (parts - 2) / spread);
  const seconds = (steady.at(-1) as Sample).seconds - steady[0].seconds;
  return { perSecond, error, seconds, meanBytes: y };
}

/**
 * Returns true if a line rises significantly, and by more than a twentieth of the memory. Both must hold: over a long
 * time any drift is significant, and over a short time chance alone can cause a rise.
 */
export function isUpward({ perSecond, error, seconds, meanBytes }: Slope): boolean {
  return perSecond > t * error && perSecond * seconds > mostRise * meanBytes;
}

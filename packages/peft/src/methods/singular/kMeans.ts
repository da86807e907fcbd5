import { TorchGenerator } from "../../random/torchGenerator.ts";

/** PEFT's seed of NumPy's random numbers, and its maximum number of iterations. */
const seed = 123456789;
const mostIterations = 10;

/** The share of the points' mean variance by which centres may move at the end. */
const tolerance = 1e-4;

/** Points [count, size], row-major. */
interface Points {
  readonly values: Float64Array;
  readonly count: number;
  readonly size: number;
}

/**
 * Returns the cluster of each row of a row-major matrix, as scikit-learn 1.9's `KMeans` does in f32 with
 * `init="random"`, one start, 10 iterations of Lloyd's algorithm and the random state 123456789.
 */
export function kMeans(rows: Float32Array, size: number, clusters: number): Int32Array {
  const count = rows.length / size;
  const { points, limit } = centred(rows, size);
  let centres: Float64Array = Float64Array.from(
    chooseRows(count, clusters).flatMap((row) => [...points.values.subarray(row * size, (row + 1) * size)]),
  );
  let labels: Int32Array = new Int32Array(count).fill(-1);
  for (let i = 0; i < mostIterations; i++) {
    const found = nearest(points, centres);
    const next = meanCentres(points, found, centres);
    const same = found.every((label, row) => label === labels[row]);
    const moved = next.reduce((sum, x, at) => sum + (x - centres[at]) ** 2, 0);
    labels = found;
    centres = next;
    if (same) return labels;
    if (moved <= limit) break;
  }
  return nearest(points, centres);
}

/** Subtracts the mean of all rows. Also returns the limit of the centres' movement. */
function centred(rows: Float32Array, size: number): { points: Points; limit: number } {
  const count = rows.length / size;
  const values = Float64Array.from(rows);
  let variance = 0;
  for (let j = 0; j < size; j++) {
    let mean = 0;
    for (let i = 0; i < count; i++) mean += values[i * size + j] / count;
    for (let i = 0; i < count; i++) {
      values[i * size + j] -= mean;
      variance += values[i * size + j] ** 2 / (count * size);
    }
  }
  return { points: { values, count, size }, limit: tolerance * variance };
}

/** Draws different rows, as NumPy's `RandomState.choice` does with equal probabilities and without replacement. */
function chooseRows(count: number, chosen: number): number[] {
  const generator = new TorchGenerator(seed);
  const rows: number[] = [];
  const weights = new Float64Array(count).fill(Math.fround(1 / count));
  while (rows.length < chosen) {
    const draws = Array.from({ length: chosen - rows.length }, () => generator.sample());
    for (const row of rows) weights[row] = 0;
    const sums = new Float64Array(count);
    let sum = 0;
    for (let i = 0; i < count; i++) {
      sum += weights[i];
      sums[i] = sum;
    }
    const found = draws.map((draw) => sums.findIndex((x) => x / sum > draw));
    rows.push(...new Set(found));
  }
  return rows;
}

/** Returns the index of the nearest centre of each point; the first one if several are equally near. */
function nearest({ values, count, size }: Points, centres: Float64Array): Int32Array {
  const clusters = centres.length / size;
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let least = Number.POSITIVE_INFINITY;
    for (let k = 0; k < clusters; k++) {
      let distance = 0;
      for (let j = 0; j < size; j++) {
        const centre = centres[k * size + j];
        distance += centre * (centre - 2 * values[i * size + j]);
      }
      if (distance >= least) continue;
      least = distance;
      labels[i] = k;
    }
  }
  return labels;
}

/** Returns the means of the clusters. A cluster without points moves to the point that is farthest from its centre. */
function meanCentres({ values, count, size }: Points, labels: Int32Array, centres: Float64Array): Float64Array {
  const clusters = centres.length / size;
  const sums = new Float64Array(centres.length);
  const counts = new Int32Array(clusters);
  for (let i = 0; i < count; i++) {
    counts[labels[i]]++;
    for (let j = 0; j < size; j++) sums[labels[i] * size + j] += values[i * size + j];
  }
  const empty = [...counts.keys()].filter((k) => counts[k] === 0);
  if (empty.length > 0) {
    const distances = Array.from(labels, (label, i) => {
      let distance = 0;
      for (let j = 0; j < size; j++) distance += (values[i * size + j] - centres[label * size + j]) ** 2;
      return distance;
    });
    const farthest = [...distances.keys()].sort((a, b) => distances[b] - distances[a]);
    for (const [at, k] of empty.entries()) {
      const row = farthest[at];
      counts[labels[row]]--;
      counts[k] = 1;
      for (let j = 0; j < size; j++) {
        sums[labels[row] * size + j] -= values[row * size + j];
        sums[k * size + j] = values[row * size + j];
      }
    }
  }
  return sums.map((sum, at) => (counts[Math.floor(at / size)] > 0 ? sum / counts[Math.floor(at / size)] : sum));
}

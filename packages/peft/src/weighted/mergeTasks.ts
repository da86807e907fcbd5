import type { TorchGenerator } from "../random/torchGenerator.ts";

/** Ways to merge tensors of several adapters: which elements to drop (pruning), and how to sum the others. */
export type MergeKind = "linear" | "magnitude_prune" | "ties" | "dare_linear" | "dare_ties";

/** Options of the merge kinds that drop elements. */
export interface PruneOptions {
  /** The fraction of elements to keep, above 0 and up to 1. */
  density: number;
  /**
   * Rule by which "ties" chooses each element's majority sign: "total" takes the sign of the sum, "frequency" the more
   * frequent sign.
   */
  majoritySignMethod: "total" | "frequency";
  /** Random source for the elements that DARE keeps. */
  generator: TorchGenerator;
}

/**
 * Returns the weighted sum of tensors of one shape after pruning, with f32 operations in PyTorch's order.
 * "magnitude_prune" and "ties" keep the largest elements of each tensor. "dare_linear" and "dare_ties" keep random
 * elements and rescale them (Yu et al. 2023, https://arxiv.org/abs/2311.03099). "ties" and "dare_ties" then average
 * only the elements with the majority sign (Yadav et al. 2023, https://arxiv.org/abs/2306.01708).
 */
export function mergeTasks(
  kind: MergeKind,
  tasks: readonly Float32Array[],
  weights: readonly number[],
  options: PruneOptions,
): Float32Array {
  const prunedTasks = kind === "linear" ? tasks : tasks.map((task) => pruned(kind, task, options));
  return kind.endsWith("ties")
    ? disjoint(prunedTasks, weights, options.majoritySignMethod)
    : weightedSum(prunedTasks, weights);
}

function pruned(kind: MergeKind, task: Float32Array, { density, generator }: PruneOptions): Float32Array {
  if (density === 1) return task;
  if (!kind.startsWith("dare")) return largest(task, density);
  const share = Math.fround(density);
  const draws = generator.uniform(task.length, 0, 1);
  return task.map((value, i) => (draws[i] < share ? value / share : 0));
}

/**
 * Keeps the fraction `density` of a tensor's elements that have the largest magnitudes, and sets the others to zero.
 * Among equal magnitudes, keeps the first.
 */
function largest(task: Float32Array, density: number): Float32Array {
  const count = Math.floor(density * task.length);
  if (count === 0) return new Float32Array(task.length);
  const threshold = task.map(Math.abs).sort()[task.length - count];
  let ties = count;
  for (const value of task) if (Math.abs(value) > threshold) ties--;
  return task.map((value) => {
    const size = Math.abs(value);
    return size > threshold || (size === threshold && ties-- > 0) ? value : 0;
  });
}

function weightedSum(tasks: readonly Float32Array[], weights: readonly number[]): Float32Array {
  const sum = new Float32Array(tasks[0].length);
  for (const [t, task] of tasks.entries()) {
    const weight = Math.fround(weights[t]);
    for (const [i, value] of task.entries()) sum[i] += Math.fround(value * weight);
  }
  return sum;
}

/**
 * Returns, for each element, the mean of the tensors' weighted values. Only values that have the element's majority
 * sign count; zeros do not count.
 */
function disjoint(
  tasks: readonly Float32Array[],
  weights: readonly number[],
  method: PruneOptions["majoritySignMethod"],
): Float32Array {
  const size = tasks[0].length;
  const votes = new Float32Array(size);
  for (const task of tasks) {
    for (const [i, value] of task.entries()) votes[i] += method === "total" ? value : Math.sign(value);
  }
  const winner = votes.map((vote) => (vote >= 0 ? 1 : -1));
  const agreeing = tasks.map((task) => task.map((value, i) => (Math.sign(value) === winner[i] ? value : 0)));
  const counts = new Float32Array(size);
  for (const task of agreeing) for (const [i, value] of task.entries()) if (value !== 0) counts[i]++;
  return weightedSum(agreeing, weights).map((value, i) => value / Math.max(counts[i], 1));
}

import type { Parameter } from "@lowrank/nn";

/** Number of elements that require gradients, and number of all elements. */
export interface ParameterCount {
  trainable: number;
  all: number;
}

/** Counts the elements of all parameters, and of those that require gradients. */
export function countParameters(parameters: Iterable<Parameter>): ParameterCount {
  const count = { trainable: 0, all: 0 };
  for (const { size, requiresGrad } of parameters) {
    count.all += size;
    if (requiresGrad) count.trainable += size;
  }
  return count;
}

/** Formats the counts as PEFT's `print_trainable_parameters` does. */
export function describeCount({ trainable, all }: ParameterCount): string {
  const count = (n: number) => n.toLocaleString("en-US");
  const share = ((100 * trainable) / all).toFixed(4);
  return `trainable params: ${count(trainable)} || all params: ${count(all)} || trainable%: ${share}`;
}

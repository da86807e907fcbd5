import type { Adapter } from "../model/adapter/adapter.ts";

/** Throws if no adapters are given, or if there is not one finite weight for each. */
export function checkWeights(adapters: readonly Adapter[], weights: readonly number[]): void {
  if (adapters.length === 0) throw new Error("addWeightedAdapter: no adapters are given; name at least one");
  if (weights.length !== adapters.length) {
    throw new Error(
      `addWeightedAdapter: ${weights.length} weights for ${adapters.length} adapters; give one weight for each adapter`,
    );
  }
  const wrong = weights.findIndex((weight) => !Number.isFinite(weight));
  if (wrong < 0) return;
  throw new Error(`addWeightedAdapter: weights[${wrong}] is ${weights[wrong]}; it must be a finite number`);
}

/**
 * Returns the union of the adapters' targets in field `key`: a list if all have lists, or one regular expression if all
 * have expressions. Throws for a mixture of both.
 */
export function unitedTargets(adapters: readonly Adapter[], key: string): readonly string[] | string {
  const targets = adapters.map(({ config }) => {
    const value = (config as unknown as Record<string, readonly string[] | string | null>)[key];
    return value ?? [];
  });
  const expressions = targets.filter((target) => typeof target === "string");
  if (expressions.length === 0) return [...new Set((targets as (readonly string[])[]).flat())];
  if (expressions.length === targets.length) return [...new Set(expressions)].map((target) => `(${target})`).join("|");
  const listed = adapters.map(({ name }, i) => `${name} ${JSON.stringify(targets[i])}`).join(", ");
  throw new Error(
    `addWeightedAdapter: ${key} must be a list in all adapters, or a regular expression in all; they are ${listed}`,
  );
}

/** Throws if the new adapter lacks a layer that one of the combined adapters has. */
export function checkCovered({ report }: Adapter, sources: readonly Adapter[]): void {
  for (const { name, report: own } of sources) {
    const missing = own.matched.filter((path) => !report.matched.includes(path));
    if (missing.length === 0) continue;
    throw new Error(
      `addWeightedAdapter: adapter "${name}" adapts ${missing.join(", ")}, which layersToTransform, layersPattern or excludeModules of the first adapter leave out; give all adapters the same values of these options`,
    );
  }
}

import type { SafetensorsFile } from "@lowrank/core";
import { toSnakeCase } from "../config/checks.ts";
import type { PeftConfig } from "../config/peftConfig.ts";
import type { MethodFacts } from "../methods/shared/methodFacts.ts";

/** Yields each tensor size in a configuration (such as a rank), with the name of its field. */
function* sizesIn(
  config: PeftConfig,
  { sizes = ["r", "rankPattern"] }: MethodFacts<PeftConfig>,
): Generator<[field: string, size: unknown]> {
  for (const name of sizes) {
    const value = (config as unknown as Readonly<Record<string, unknown>>)[name];
    const field = toSnakeCase(name);
    if (typeof value !== "object" || value === null) yield [field, value];
    else for (const [key, size] of Object.entries(value)) yield [`${field}["${key}"]`, size];
  }
}

/**
 * Throws if a size in the configuration is larger than the number of elements in the weights file. This check comes
 * before tensors of that size are allocated.
 */
export function checkSizes(
  config: PeftConfig,
  method: MethodFacts<PeftConfig>,
  weights: SafetensorsFile,
  label: string,
): void {
  const counts = weights.names().map((name) => weights.info(name).shape.reduce((product, n) => product * n, 1));
  const most = counts.reduce((sum, count) => sum + count, 0);
  for (const [field, size] of sizesIn(config, method)) {
    if (typeof size === "number" && size > most) {
      throw new Error(
        `${label}: ${field} is ${size}, more than the ${most} values in ${weights.label}; the files belong to different adapters`,
      );
    }
  }
}

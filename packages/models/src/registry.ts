import { nearestName } from "@lowrank/core";
import type { Architecture } from "./architecture.ts";
import * as known from "./architectures.ts";
import type { ArchitectureConfig } from "./config/architectureConfig.ts";

const registered = new Map<string, Architecture>(
  Object.values(known).map((architecture) => [architecture.modelType, architecture as Architecture]),
);

/** Makes an architecture known by its `modelType`. Throws where another has the name. */
export function registerArchitecture<C extends ArchitectureConfig>(architecture: Architecture<C>): void {
  const { modelType } = architecture;
  const other = registered.get(modelType);
  if ((other as unknown) === architecture) return;
  if (other)
    throw new Error(`registerArchitecture: there is an architecture "${modelType}" already; take another name`);
  registered.set(modelType, architecture as unknown as Architecture);
}

/** Returns all known architectures, those from outside last. */
export function architectures(): readonly Architecture[] {
  return [...registered.values()];
}

/** Returns the architecture of a `model_type`; undefined where none is known. */
export function findArchitecture(modelType: string): Architecture | undefined {
  return registered.get(modelType);
}

/**
 * Returns the architecture of a config. Throws, naming those that are known,
 * where it is none of them.
 */
export function architectureOf({ modelType }: { readonly modelType: string }): Architecture {
  const found = registered.get(modelType);
  if (found) return found;
  const names = [...registered.keys()];
  const near = nearestName(modelType, names);
  throw new Error(
    `there is no architecture "${modelType}"; ${near === null ? "" : `did you mean ${near}? `}known are ${names.join(", ")}; registerArchitecture adds others`,
  );
}

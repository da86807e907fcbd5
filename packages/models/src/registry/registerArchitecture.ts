import type { ArchitectureConfig } from "../config/architectureConfig.ts";
import type { Architecture } from "../model/architecture.ts";
import { architectureLoaders } from "./architectureLoaders.ts";
import { registered } from "./loadArchitecture.ts";

/** Registers an architecture by its `modelType`. Throws if another architecture has the same name. */
export function registerArchitecture<C extends ArchitectureConfig>(architecture: Architecture<C>): void {
  const { modelType } = architecture;
  const other = registered.get(modelType);
  if ((other as unknown) === architecture) return;
  if (other || Object.hasOwn(architectureLoaders, modelType))
    throw new Error(`registerArchitecture: there is an architecture "${modelType}" already; take another name`);
  registered.set(modelType, architecture as unknown as Architecture);
}

import { nearestName } from "@lowrank/core";
import type { Architecture } from "./architecture.ts";
import { architectureLoaders } from "./architectureLoaders.ts";
import type { ArchitectureConfig } from "./config/architectureConfig.ts";

const registered = new Map<string, Architecture>();

/** Makes an architecture known by its `modelType`. Throws where another has the name. */
export function registerArchitecture<C extends ArchitectureConfig>(architecture: Architecture<C>): void {
  const { modelType } = architecture;
  const other = registered.get(modelType);
  if ((other as unknown) === architecture) return;
  if (other || Object.hasOwn(architectureLoaders, modelType))
    throw new Error(`registerArchitecture: there is an architecture "${modelType}" already; take another name`);
  registered.set(modelType, architecture as unknown as Architecture);
}

/** Returns the architectures from outside. */
export function registeredArchitectures(): readonly Architecture[] {
  return [...registered.values()];
}

/** Returns the names of all architectures, those from outside last. */
export function architectureNames(): readonly string[] {
  return [...Object.keys(architectureLoaders), ...registered.keys()];
}

/** Loads the architecture of a `model_type`; undefined where none is known. */
export async function loadKnown(modelType: string): Promise<Architecture | undefined> {
  if (!Object.hasOwn(architectureLoaders, modelType)) return registered.get(modelType);
  return (await architectureLoaders[modelType]()) as Architecture;
}

/** Loads the architecture of a config. Throws, naming those that are known, where it is none. */
export async function loadArchitecture({ modelType }: { readonly modelType: string }): Promise<Architecture> {
  const found = await loadKnown(modelType);
  if (found) return found;
  throw unknownArchitecture(modelType);
}

/** Returns the error for a config whose architecture is not known. */
export function unknownArchitecture(modelType: string): Error {
  const names = architectureNames();
  const near = nearestName(modelType, names);
  return new Error(
    `there is no architecture "${modelType}"; ${near === null ? "" : `did you mean ${near}? `}known are ${names.join(", ")}; registerArchitecture adds others`,
  );
}

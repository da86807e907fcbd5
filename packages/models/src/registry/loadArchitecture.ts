import { nearestName } from "@lowrank/core/internal";
import type { Architecture } from "../model/architecture.ts";

/** The architectures registered by users, by `modelType`. */
export const registered: Map<string, Architecture> = new Map();

// A web page that loads a model downloads only the table of loaders and the model's own architecture.

const loaders = async () => (await import("./architectureLoaders.ts")).architectureLoaders;

/** Returns the names of all architectures: built-in ones, then registered ones. */
export async function architectureNames(): Promise<readonly string[]> {
  return [...Object.keys(await loaders()), ...registered.keys()];
}

/** Loads the architecture for a `model_type`; undefined if it is unknown. */
export async function loadKnown(modelType: string): Promise<Architecture | undefined> {
  const own = await loaders();
  if (!Object.hasOwn(own, modelType)) return registered.get(modelType);
  return (await own[modelType]()) as Architecture;
}

/** Loads the architecture of a config. If it is unknown, throws an error that lists the known ones. */
export async function loadArchitecture({ modelType }: { readonly modelType: string }): Promise<Architecture> {
  const found = await loadKnown(modelType);
  if (found) return found;
  throw unknownArchitecture(modelType, await architectureNames());
}

/** Returns the error for a model type that is not in `names`. It suggests the nearest name. */
export function unknownArchitecture(modelType: string, names: readonly string[]): Error {
  const near = nearestName(modelType, names);
  return new Error(
    `there is no architecture "${modelType}"; ${near === null ? "" : `did you mean ${near}? `}known are ${names.join(", ")}; registerArchitecture adds others`,
  );
}

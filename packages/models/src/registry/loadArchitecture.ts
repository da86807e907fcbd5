import { nearestName } from "@lowrank/core";
import type { Architecture } from "../model/architecture.ts";
import { registered } from "./registeredArchitectures.ts";

// A page that loads a model downloads the table of architectures, and of these the model's own.

const loaders = async () => (await import("./architectureLoaders.ts")).architectureLoaders;

/** Returns the names of all architectures, those from outside last. */
export async function architectureNames(): Promise<readonly string[]> {
  return [...Object.keys(await loaders()), ...registered.keys()];
}

/** Loads the architecture of a `model_type`; undefined where none is known. */
export async function loadKnown(modelType: string): Promise<Architecture | undefined> {
  const own = await loaders();
  if (!Object.hasOwn(own, modelType)) return registered.get(modelType);
  return (await own[modelType]()) as Architecture;
}

/** Loads the architecture of a config. Throws, naming those that are known, where it is none. */
export async function loadArchitecture({ modelType }: { readonly modelType: string }): Promise<Architecture> {
  const found = await loadKnown(modelType);
  if (found) return found;
  throw unknownArchitecture(modelType, await architectureNames());
}

/** Returns the error for a config whose architecture is none of `names`. */
export function unknownArchitecture(modelType: string, names: readonly string[]): Error {
  const near = nearestName(modelType, names);
  return new Error(
    `there is no architecture "${modelType}"; ${near === null ? "" : `did you mean ${near}? `}known are ${names.join(", ")}; registerArchitecture adds others`,
  );
}

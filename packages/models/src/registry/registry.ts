import type { Architecture } from "../model/architecture.ts";
import * as known from "./architectures.ts";
import { registered, unknownArchitecture } from "./loadArchitecture.ts";

// Importing this file loads all architectures. Code that can wait imports loadArchitecture.ts instead.

const own = Object.values(known).map((architecture) => architecture as Architecture);

/** Returns all architectures: built-in ones, then registered ones. */
export function architectures(): readonly Architecture[] {
  return [...own, ...registered.values()];
}

/** Returns the architecture for a `model_type`; undefined if it is unknown. */
export function findArchitecture(modelType: string): Architecture | undefined {
  return architectures().find((architecture) => architecture.modelType === modelType);
}

/** Returns the architecture of a config. If it is unknown, throws an error that lists the known ones. */
export function architectureOf({ modelType }: { readonly modelType: string }): Architecture {
  const found = findArchitecture(modelType);
  if (found) return found;
  throw unknownArchitecture(
    modelType,
    architectures().map((architecture) => architecture.modelType),
  );
}

import type { Architecture } from "../model/architecture.ts";
import * as known from "./architectures.ts";
import { unknownArchitecture } from "./loadArchitecture.ts";
import { registered } from "./registeredArchitectures.ts";

// What imports this file carries all architectures; what may wait for one imports
// loadArchitecture.ts.

const own = Object.values(known).map((architecture) => architecture as Architecture);

/** Returns all known architectures, those from outside last. */
export function architectures(): readonly Architecture[] {
  return [...own, ...registered.values()];
}

/** Returns the architecture of a `model_type`; undefined where none is known. */
export function findArchitecture(modelType: string): Architecture | undefined {
  return architectures().find((architecture) => architecture.modelType === modelType);
}

/**
 * Returns the architecture of a config. Throws, naming those that are known,
 * where it is none of them.
 */
export function architectureOf({ modelType }: { readonly modelType: string }): Architecture {
  const found = findArchitecture(modelType);
  if (found) return found;
  throw unknownArchitecture(
    modelType,
    architectures().map((architecture) => architecture.modelType),
  );
}

import type { PeftConfig } from "../config/peftConfig.ts";
import { peftMethods } from "./index.ts";
import type { AnyMethod } from "./method.ts";
import { UnknownMethodError } from "./unknownMethodError.ts";

const methods = new Map<string, AnyMethod>(Object.entries(peftMethods));

/**
 * Makes a method of one's own known: from then on `getPeftModel`, `addAdapter` and `loadAdapter`
 * take its configurations and files. Throws where another method has its name.
 */
export function registerPeftMethod(method: AnyMethod): void {
  const { peftType } = method;
  if (methods.has(peftType) && methods.get(peftType) !== method) {
    throw new Error(`registerPeftMethod: there is a method ${peftType} already; give yours another peftType`);
  }
  methods.set(peftType, method);
}

/** All methods by PEFT's name, those that were registered too. */
export function knownMethods(): Readonly<Record<string, AnyMethod>> {
  return Object.fromEntries(methods);
}

/** The method of a configuration. Throws for one that is not known. */
export function methodOf({ peftType }: PeftConfig): AnyMethod {
  const method = methods.get(peftType);
  if (method) return method;
  throw new UnknownMethodError(`there is no method ${peftType}; registerPeftMethod makes one of your own known`);
}

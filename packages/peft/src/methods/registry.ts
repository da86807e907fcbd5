import type { PeftConfig } from "../config/peftConfig.ts";
import { peftMethods } from "./index.ts";
import type { AnyMethod } from "./shared/method.ts";
import { UnknownMethodError } from "./shared/unknownMethodError.ts";

const registered = new Map<string, AnyMethod>();

const isOwn = (peftType: string): peftType is keyof typeof peftMethods => Object.hasOwn(peftMethods, peftType);

/**
 * Makes a method of one's own known: from then on `getPeftModel`, `addAdapter` and `loadAdapter`
 * take its configurations and files. Throws where another method has its name.
 */
export function registerPeftMethod(method: AnyMethod): void {
  const { peftType } = method;
  if (isOwn(peftType) || (registered.has(peftType) && registered.get(peftType) !== method)) {
    throw new Error(`registerPeftMethod: there is a method ${peftType} already; give yours another peftType`);
  }
  registered.set(peftType, method);
}

/** Returns the methods that were registered, by their names. */
export function registeredMethods(): Readonly<Record<string, AnyMethod>> {
  return Object.fromEntries(registered);
}

/** Loads all methods, by PEFT's name; those that were registered are among them. */
export async function knownMethods(): Promise<Readonly<Record<string, AnyMethod>>> {
  const own = await Promise.all(Object.values(peftMethods).map((load) => load()));
  return { ...Object.fromEntries(own.map((method) => [method.peftType, method])), ...registeredMethods() };
}

/** Loads the method of that name; undefined for one that is not known. */
async function findMethod(peftType: string): Promise<AnyMethod | undefined> {
  return isOwn(peftType) ? peftMethods[peftType]() : registered.get(peftType);
}

/**
 * Loads the methods that a configuration may be of, by the `peft_type` that its file says: one
 * where that is a name that is known, else all.
 */
export async function methodsFor(peftType: unknown): Promise<Readonly<Record<string, AnyMethod>>> {
  const method = await findMethod(String(peftType));
  return method ? { ...registeredMethods(), [method.peftType]: method } : knownMethods();
}

/** Loads the method of a configuration. Throws for one that is not known. */
export async function methodOf({ peftType }: PeftConfig): Promise<AnyMethod> {
  const method = await findMethod(peftType);
  if (method) return method;
  throw new UnknownMethodError(`there is no method ${peftType}; registerPeftMethod makes one of your own known`);
}

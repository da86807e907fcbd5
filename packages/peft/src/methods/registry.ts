import type { PeftConfig } from "../config/peftConfig.ts";
import { peftMethods } from "./index.ts";
import type { AnyMethod } from "./shared/method.ts";

/** Thrown for a method name that is not registered. */
export class UnknownMethodError extends Error {
  override readonly name = "UnknownMethodError";
}

const registered = new Map<string, AnyMethod>();

const isOwn = (peftType: string): peftType is keyof typeof peftMethods => Object.hasOwn(peftMethods, peftType);

/**
 * Registers a custom method. `getPeftModel`, `addAdapter` and `loadAdapter` then accept its configurations and files.
 * Throws if another method has the same `peftType`.
 */
export function registerPeftMethod(method: AnyMethod): void {
  const { peftType } = method;
  if (isOwn(peftType) || (registered.has(peftType) && registered.get(peftType) !== method)) {
    throw new Error(`registerPeftMethod: there is a method ${peftType} already; give yours another peftType`);
  }
  registered.set(peftType, method);
}

/** Returns the methods that `registerPeftMethod` added, by `peftType`. */
export function registeredMethods(): Readonly<Record<string, AnyMethod>> {
  return Object.fromEntries(registered);
}

/** Loads all built-in and registered methods. Returns them by `peftType`. */
export async function knownMethods(): Promise<Readonly<Record<string, AnyMethod>>> {
  const own = await Promise.all(Object.values(peftMethods).map((load) => load()));
  return { ...Object.fromEntries(own.map((method) => [method.peftType, method])), ...registeredMethods() };
}

/** Loads the built-in or registered method with this `peftType`. Undefined if there is none. */
async function findMethod(peftType: string): Promise<AnyMethod | undefined> {
  return isOwn(peftType) ? peftMethods[peftType]() : registered.get(peftType);
}

/**
 * Loads the methods whose configuration a file may contain: the method with this `peft_type`, and all methods that
 * `registerPeftMethod` added. If the `peft_type` is missing or unknown, loads all methods.
 */
export async function methodsFor(peftType: unknown): Promise<Readonly<Record<string, AnyMethod>>> {
  const method = await findMethod(String(peftType));
  return method ? { ...registeredMethods(), [method.peftType]: method } : knownMethods();
}

/**
 * Loads the method that a configuration belongs to. Throws `UnknownMethodError` if it is neither built in nor
 * registered.
 */
export async function methodOf({ peftType }: PeftConfig): Promise<AnyMethod> {
  const method = await findMethod(peftType);
  if (method) return method;
  throw new UnknownMethodError(`there is no method ${peftType}; register a custom method with registerPeftMethod`);
}

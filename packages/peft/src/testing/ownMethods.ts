import { peftMethods } from "../methods/index.ts";
import type { AnyMethod } from "../methods/shared/method.ts";

/** Loads the methods of this package, by PEFT's name. */
export async function ownMethods(): Promise<Readonly<Record<keyof typeof peftMethods, AnyMethod>>> {
  const loaded = Object.entries(peftMethods).map(async ([type, load]) => [type, await load()] as const);
  return Object.fromEntries(await Promise.all(loaded)) as Record<keyof typeof peftMethods, AnyMethod>;
}

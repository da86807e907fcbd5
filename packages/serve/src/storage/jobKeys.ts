import { jobsFolder } from "./adapterPlace.ts";
import { sha256 } from "./sha256.ts";

/** The name of an owner in keys, which may hold no characters of all that ids have. */
export async function ownerKey(owner: string): Promise<string> {
  return (await sha256(`owner ${owner}`)).slice(0, 32);
}

/** A name in keys: letters, digits, dots and dashes stay, so that people recognise it. */
export function nameKey(name: string): string {
  const hex = (character: string) => `_${character.codePointAt(0)!.toString(16)}_`;
  return name.replace(/[^A-Za-z0-9.-]/gu, hex).replace(/^\.|\.$/g, hex);
}

/** The place of a job's run: checkpoints, log and adapter. */
export function runFolder(id: string): string {
  return `${jobsFolder}/runs/${id}`;
}

/** The place of the adapter that a job has made. */
export function adapterFolder(id: string): string {
  return `${runFolder(id)}/adapter`;
}

/** The start of the keys of jobs on a model that have not ended. */
export function openFolder(model: string): string {
  return `${jobsFolder}/open/${nameKey(model)}/`;
}

/** Returns a new id; those made later sort after those made before. */
export function newId(prefix: string): string {
  const time = Date.now().toString(36).padStart(9, "0");
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${time}${Array.from(random, (byte) => (byte % 36).toString(36)).join("")}`;
}

/** Returns true for an id that `newId` may have made: others are no part of a key. */
export function isId(id: string, prefix: string): boolean {
  return new RegExp(`^${prefix}-[a-z0-9]{1,40}$`).test(id);
}

/** Seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

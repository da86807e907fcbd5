import { jobsFolder } from "./adapterPlace.ts";
import { sha256 } from "./sha256.ts";

/** Returns a hash of an owner's id, for use in keys of objects. Ids may contain characters that keys do not allow. */
export async function ownerKey(owner: string): Promise<string> {
  return (await sha256(`owner ${owner}`)).slice(0, 32);
}

/**
 * Encodes a name for use in keys of objects. Letters, digits, dots and dashes are kept, except for a dot at the
 * beginning or end. Each other character becomes its code point in hexadecimal between underscores.
 */
export function nameKey(name: string): string {
  const hex = (character: string) => `_${character.codePointAt(0)!.toString(16)}_`;
  return name.replace(/[^A-Za-z0-9.-]/gu, hex).replace(/^\.|\.$/g, hex);
}

/** Returns the key prefix of all objects that a job's training writes: its checkpoints, log and adapter. */
export function runFolder(id: string): string {
  return `${jobsFolder}/runs/${id}`;
}

/** Returns the key prefix of the adapter that a job has made. */
export function adapterFolder(id: string): string {
  return `${runFolder(id)}/adapter`;
}

/** Returns the prefix of the keys under which a model's open jobs are listed. */
export function openFolder(model: string): string {
  return `${jobsFolder}/open/${nameKey(model)}/`;
}

/** Returns a new id. Later ids sort after earlier ones. */
export function newId(prefix: string): string {
  const time = Date.now().toString(36).padStart(9, "0");
  const random = crypto.getRandomValues(new Uint8Array(12));
  return `${prefix}-${time}${Array.from(random, (byte) => (byte % 36).toString(36)).join("")}`;
}

/** Returns true for an id in the format of `newId`. Other ids must not be used in keys. */
export function isId(id: string, prefix: string): boolean {
  return new RegExp(`^${prefix}-[a-z0-9]{1,40}$`).test(id);
}

/** Returns the time in seconds since 1970. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

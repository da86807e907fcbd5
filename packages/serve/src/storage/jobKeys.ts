import { jobsFolder } from "./adapterPlace.ts";
import { sha256 } from "./sha256.ts";

/** Returns the form of an owner's id in keys: a hash, since keys do not allow all characters of ids. */
export async function ownerKey(owner: string): Promise<string> {
  return (await sha256(`owner ${owner}`)).slice(0, 32);
}

/** Returns the form of a name in keys. Letters, digits, dots and dashes stay readable; other characters are encoded. */
export function nameKey(name: string): string {
  const hex = (character: string) => `_${character.codePointAt(0)!.toString(16)}_`;
  return name.replace(/[^A-Za-z0-9.-]/gu, hex).replace(/^\.|\.$/g, hex);
}

/** Returns the key prefix of a job's run, with its checkpoints, log and adapter. */
export function runFolder(id: string): string {
  return `${jobsFolder}/runs/${id}`;
}

/** Returns the key prefix of the adapter that a job has made. */
export function adapterFolder(id: string): string {
  return `${runFolder(id)}/adapter`;
}

/** Returns the key prefix of open jobs on a model. */
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

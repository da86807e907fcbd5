import type { FileContent } from "@lowrank/files";
import type { AdapterPlace } from "../adapterPlace.ts";

/** Key and size of an object in a store. */
export interface StoredObject {
  readonly key: string;
  /** Size in bytes. */
  readonly size: number;
}

/**
 * Store of objects by key, with "/" between the names of a key. Methods throw ServingError `unavailable` while it
 * cannot be reached.
 */
export interface ObjectStore {
  /** Name of this store in messages. */
  readonly label: string;
  /** Returns a whole object; null if it does not exist. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Yields an object piece by piece. Throws if it does not exist. */
  stream(key: string): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** Writes an object atomically: readers see the old or the new content. */
  put(key: string, content: FileContent): Promise<void>;
  /** Creates an object. Returns false and writes nothing if it exists. */
  create(key: string, text: string): Promise<boolean>;
  /** Returns all objects whose keys begin with `start`, sorted by key. `start` ends in "/". */
  list(start: string): Promise<readonly StoredObject[]>;
  remove(key: string): Promise<void>;
}

/** Store of a server, with its adapters and the objects of its jobs: a folder on disk or a bucket. */
export interface ServingStore extends AdapterPlace, ObjectStore {}

/** Returns an object as text; null if it does not exist. */
export async function getText(store: ObjectStore, key: string): Promise<string | null> {
  const bytes = await store.get(key);
  return bytes && new TextDecoder().decode(bytes);
}

/** Returns a parsed JSON object; null if it does not exist. */
export async function getJson<T>(store: ObjectStore, key: string): Promise<T | null> {
  const text = await getText(store, key);
  return text === null ? null : (JSON.parse(text) as T);
}

/** Sorts objects by their keys, which must be unique. */
export function sortedByKey(objects: readonly StoredObject[]): StoredObject[] {
  const byKey = new Map(objects.map((object) => [object.key, object]));
  return [...byKey.keys()].sort().map((key) => byKey.get(key)!);
}

/** Removes all objects whose keys begin with `start`. */
export async function removeAll(store: ObjectStore, start: string): Promise<void> {
  for (const { key } of await store.list(start)) await store.remove(key);
}

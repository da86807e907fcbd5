import type { FileContent } from "@lowrank/files";

/** An object of a store. */
export interface StoredObject {
  readonly key: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * A place that keeps objects by key, with "/" between the names of a key: a folder on disk or a
 * bucket. Throws ServingError `unavailable` where it cannot be reached.
 */
export interface ObjectStore {
  /** The name of this place in messages. */
  readonly label: string;
  /** Returns a whole object; null where there is none. */
  get(key: string): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Gives an object piece by piece. Throws where there is none. */
  read(key: string): AsyncIterable<Uint8Array<ArrayBuffer>>;
  /** Writes an object, which appears whole. */
  put(key: string, content: FileContent): Promise<void>;
  /** Writes an object where there is none. Returns false, with nothing written, for another. */
  create(key: string, text: string): Promise<boolean>;
  /** Returns all objects whose keys begin so, in the order of their keys. `start` ends in "/". */
  list(start: string): Promise<readonly StoredObject[]>;
  remove(key: string): Promise<void>;
}

/** Returns an object as text; null where there is none. */
export async function getText(store: ObjectStore, key: string): Promise<string | null> {
  const bytes = await store.get(key);
  return bytes && new TextDecoder().decode(bytes);
}

/** Returns an object of JSON; null where there is none. */
export async function getJson<T>(store: ObjectStore, key: string): Promise<T | null> {
  const text = await getText(store, key);
  return text === null ? null : (JSON.parse(text) as T);
}

/** Removes all objects whose keys begin so. */
export async function removeAll(store: ObjectStore, start: string): Promise<void> {
  for (const { key } of await store.list(start)) await store.remove(key);
}

import type { Place, StoragePlace } from "./place.ts";
import { checkCrosses } from "./wire.ts";

/**
 * The source of a model or an adapter: an address, relative to the page's; files by name, as bytes,
 * text or Blobs; a GGUF file as a Blob; a folder that keeps files. In Node a path or file: URL too.
 */
export type RemoteSource = Place | URL;

/** Returns a source as it crosses to the Worker, whose own address is another. */
export function placeOf(call: string, source: RemoteSource): Place {
  if (typeof source === "string" || source instanceof URL) {
    const here = globalThis.location?.href;
    return here === undefined ? (source instanceof URL ? fileOrAddress(source) : source) : new URL(source, here).href;
  }
  checkCrosses(`${call}: the source`, source);
  return source;
}

/**
 * A folder that keeps checkpoints, adapters and models: `{ opfs: "run" }` in the browser's own
 * storage, or the handle of one that the user picked. In Node a path or file: URL.
 */
export type RemoteStorage = StoragePlace | URL;

/** Returns a folder as it crosses to the Worker. Throws for a path in a page. */
export function storageOf(call: string, storage: RemoteStorage): StoragePlace {
  if (!(typeof storage === "string" || storage instanceof URL)) {
    checkCrosses(`${call}: the folder`, storage);
    return storage;
  }
  if (globalThis.location === undefined) return storage instanceof URL ? fileOrAddress(storage) : storage;
  throw new Error(
    `${call}: ${storage} is a path or an address, which a page cannot write to; give { opfs: "run" }, or the handle of a picked folder`,
  );
}

function fileOrAddress(url: URL): string {
  return url.protocol === "file:" ? decodeURIComponent(url.pathname) : url.href;
}

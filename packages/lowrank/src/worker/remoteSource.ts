import type { Place, StoragePlace } from "./place.ts";
import { checkCrosses } from "./wire.ts";

/**
 * Source of a model or an adapter: an address, relative to the page's; files by name, as bytes, text or Blobs; a GGUF
 * file as a Blob; or a folder. In Node also a path or file: URL.
 */
export type RemoteSource = Place | URL;

/**
 * Converts a source to the form that is sent to the Worker. Resolves relative addresses, since the Worker's own address
 * differs.
 */
export function placeOf(call: string, source: RemoteSource): Place {
  if (typeof source === "string" || source instanceof URL) {
    const here = globalThis.location?.href;
    return here === undefined ? (source instanceof URL ? fileOrAddress(source) : source) : new URL(source, here).href;
  }
  checkCrosses(`${call}: the source`, source);
  return source;
}

/**
 * Folder for checkpoints, adapters and models: `{ opfs: "run" }` in the browser's storage, or the handle of a folder
 * that the user picked. In Node a path or file: URL.
 */
export type RemoteStorage = StoragePlace | URL;

/** Converts a folder to the form that is sent to the Worker. Throws for a path in a page. */
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

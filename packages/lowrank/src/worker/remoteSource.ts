import type { Place } from "./place.ts";
import { checkCrosses } from "./wire.ts";

/**
 * The source of a model or an adapter: an address, relative to the page's; files by name, as bytes,
 * text or Blobs; a GGUF file as a Blob. In Node a path or file: URL too.
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

function fileOrAddress(url: URL): string {
  return url.protocol === "file:" ? decodeURIComponent(url.pathname) : url.href;
}

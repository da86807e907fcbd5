import { blobSource } from "@lowrank/core";
import type { HubFile, HubStore, PartialFile } from "./hubStore.ts";

/** The name of the cache in a page's Cache Storage. */
const cacheName = "lowrank-hub";

/** Bytes of a file that are kept together. */
const partBytes = 1 << 24;

/**
 * The cache of one repository in a page's Cache Storage. A file lies there in parts, each under its
 * offset, since an entry cannot grow: an interrupted download loses nothing that has come.
 */
export async function cacheStore(endpoint: string, repo: string): Promise<HubStore> {
  if (!globalThis.caches) {
    throw new Error(
      `hf://${repo}: this page has no Cache Storage to keep files in; serve it by https or from localhost, or give urlFiles(address)`,
    );
  }
  const cache = await caches.open(cacheName);
  const root = `${endpoint}/${repo}`;
  const refOf = (revision: string) => `${root}/refs/${encodeURIComponent(revision)}`;
  const snapshotOf = (commit: string) => `${root}/snapshots/${commit}/`;
  const pointerOf = (commit: string, path: string) => snapshotOf(commit) + encodeURI(path);
  const partOf = ({ etag }: Pick<HubFile, "etag">, offset: number) => `${root}/blobs/${etag}?offset=${offset}`;

  /** The parts of a file from its start on, up to the first gap. */
  const partsOf = async (file: Pick<HubFile, "etag">): Promise<Blob[]> => {
    const parts: Blob[] = [];
    for (let offset = 0; ; offset += parts[parts.length - 1].size) {
      const part = await cache.match(partOf(file, offset));
      if (!part) return parts;
      parts.push(await part.blob());
    }
  };
  const lengthOf = (parts: readonly Blob[]) => parts.reduce((sum, { size }) => sum + size, 0);

  return {
    label: `Cache Storage, ${cacheName}`,
    readRef: async (revision) => (await cache.match(refOf(revision)))?.text(),
    writeRef: (revision, commit) => put(refOf(revision), commit),
    find: async (commit, path) => {
      const pointer = await cache.match(pointerOf(commit, path));
      if (!pointer) return undefined;
      const file: HubFile = await pointer.json();
      const parts = await partsOf(file);
      return lengthOf(parts) === file.size ? blobSource(new Blob(parts)) : undefined;
    },
    list: async (commit) => {
      const entries = await cache.keys();
      const start = snapshotOf(commit);
      return entries.flatMap(({ url }) => (url.startsWith(start) ? [decodeURI(url.slice(start.length))] : []));
    },
    holds: async (file) => {
      // Of an empty file there is no part that could be missing, but its pointer is made anew.
      return file.size > 0 && lengthOf(await partsOf(file)) === file.size;
    },
    openPartial: async (file) => partialOf(file, lengthOf(await partsOf(file))),
    link: (commit, file) => put(pointerOf(commit, file.path), JSON.stringify(file)),
  };

  async function put(key: string, body: BodyInit): Promise<void> {
    try {
      await cache.put(key, new Response(body));
    } catch (error) {
      if ((error as Error).name !== "QuotaExceededError") throw error;
      const { usage = 0, quota = 0 } = await navigator.storage.estimate();
      throw new Error(
        `hf://${repo}: the browser gives this site ${quota} bytes, of which ${usage} are used; free some, caches.delete("${cacheName}") say`,
        { cause: error },
      );
    }
  }

  function partialOf(file: HubFile, there: number): PartialFile {
    let start = there;
    let pending: Uint8Array<ArrayBuffer>[] = [];
    const length = () => start + pending.reduce((sum, bytes) => sum + bytes.length, 0);
    const flush = async () => {
      const end = length();
      if (end > start) await put(partOf(file, start), new Blob(pending));
      pending = [];
      start = end;
    };
    return {
      get length() {
        return length();
      },
      write: async (position, bytes) => {
        if (position !== length()) {
          await flush();
          start = position;
        }
        pending.push(bytes);
        if (length() - start >= partBytes) await flush();
      },
      keep: flush,
      discard: async () => {
        pending = [];
        const start = partOf(file, 0).replace(/0$/, "");
        const keys = (await cache.keys()).filter(({ url }) => url.startsWith(start));
        await Promise.all(keys.map((key) => cache.delete(key)));
      },
      finish: flush,
    };
  }
}

import type { ByteSource } from "@lowrank/core";
import { byteSourceFromReadInto } from "../sources/byteSourceFromReadInto.ts";
import type { Bringing, HubFile, HubStore } from "./hubStore.ts";

/** Size of a block in bytes (4 MiB). A block is requested and stored as a whole. */
export const blockBytes: number = 1 << 22;

/**
 * Returns a source of `size` bytes that reads whole blocks, and keeps the most recently read block in memory.
 * `block(index)` returns a block of `blockBytes` bytes; the final block of the file may be shorter.
 */
export function blockSource(size: number, block: (index: number) => Promise<Uint8Array>): ByteSource {
  let last: { readonly index: number; readonly bytes: Uint8Array } | undefined;

  async function blockAt(index: number): Promise<Uint8Array> {
    if (last?.index !== index) last = { index, bytes: await block(index) };
    return last.bytes;
  }

  async function readInto(offset: number, room: Uint8Array): Promise<void> {
    const end = offset + room.length;
    if (end > size) throw new Error(`bytes ${offset} to ${end} were requested, but the file has ${size} bytes`);
    for (let done = 0; done < room.length; ) {
      const at = offset + done;
      const start = at % blockBytes;
      const bytes = (await blockAt((at - start) / blockBytes)).subarray(start, start + room.length - done);
      room.set(bytes, done);
      done += bytes.length;
    }
  }

  return byteSourceFromReadInto(size, readInto);
}

/** The name of the cache in a page's Cache Storage. */
const cacheName = "lowrank-hub";

/** A block of a file. `isNew` is true if it was just downloaded. */
interface Block {
  readonly bytes: Uint8Array;
  readonly isNew: boolean;
}

/**
 * The cache of one repository in a page's Cache Storage. A file is stored in blocks. A missing block is requested by
 * byte range when it is read, and stored under its own key. So a page holds one block of a file in memory, and an
 * interrupted load keeps the blocks that arrived.
 */
export async function cacheStore(endpoint: string, repo: string): Promise<HubStore> {
  if (!globalThis.caches) {
    throw new Error(
      `hf://${repo}: this page has no Cache Storage to keep files in; serve it by https or from localhost, or disable the cache with hub: { cache: false }`,
    );
  }
  const cache = await caches.open(cacheName);
  const root = `${endpoint}/${repo}`;
  const refOf = (revision: string) => `${root}/refs/${encodeURIComponent(revision)}`;
  const snapshotOf = (commit: string) => `${root}/snapshots/${commit}/`;
  const pointerOf = (commit: string, path: string) => snapshotOf(commit) + encodeURI(path);
  const coming = new Map<string, Promise<Block>>();

  return {
    label: `Cache Storage, ${cacheName}`,
    readRef: async (revision) => (await cache.match(refOf(revision)))?.text(),
    writeRef: (revision, commit) => put(refOf(revision), commit),
    find: async (commit, path, from) => {
      const pointer = await cache.match(pointerOf(commit, path));
      if (!pointer) return undefined;
      const file: HubFile = await pointer.json();
      return sourceOf(commit, file, from);
    },
    list: async (commit) => {
      const entries = await cache.keys();
      const start = snapshotOf(commit);
      return entries.flatMap(({ url }) => (url.startsWith(start) ? [decodeURI(url.slice(start.length))] : []));
    },
    bring: (commit, file) => put(pointerOf(commit, file.path), JSON.stringify(file)),
  };

  /**
   * Returns a source that reads a file block by block. Missing blocks are downloaded with the client in `from`. If
   * `from` is undefined, reading a missing block throws.
   */
  function sourceOf(commit: string, file: HubFile, from: Bringing | undefined): ByteSource {
    const { path: name, size: total } = file;
    let remote: Promise<ByteSource> | undefined;
    const ask =
      from &&
      (async (start: number, length: number) => {
        remote ??= from.client().then((client) => client.source(commit, file));
        return (await remote).read(start, length);
      });
    const here = new Set<number>();
    return blockSource(total, async (index) => {
      const { bytes, isNew } = await blockOf(file, index, ask);
      here.add(index);
      const loaded = Math.min(here.size * blockBytes, total);
      if (isNew) from?.onProgress?.({ loaded, total, name });
      return bytes;
    });
  }

  /** Reads one block. Concurrent calls for the same block share one request. */
  function blockOf(...[file, index, ask]: Parameters<typeof readBlock>): Promise<Block> {
    const key = `${file.etag}/${index}`;
    let block = coming.get(key);
    if (!block) {
      block = readBlock(file, index, ask).finally(() => coming.delete(key));
      coming.set(key, block);
    }
    return block;
  }

  async function readBlock(
    { path, size, etag }: HubFile,
    index: number,
    ask: ByteSource["read"] | undefined,
  ): Promise<Block> {
    const start = index * blockBytes;
    const length = Math.min(blockBytes, size - start);
    const key = `${root}/blobs/${etag}?block=${index}`;
    const kept = await (await cache.match(key))?.arrayBuffer();
    if (kept?.byteLength === length) return { bytes: new Uint8Array(kept), isNew: false };
    if (!ask) {
      const where = `bytes ${start} to ${start + length} of ${path}`;
      throw new Error(`hf://${repo}: ${where} are not in the cache; load the file once while online`);
    }
    const bytes = await ask(start, length);
    await put(key, bytes as Uint8Array<ArrayBuffer>);
    return { bytes, isNew: true };
  }

  async function put(key: string, body: BodyInit): Promise<void> {
    try {
      await cache.put(key, new Response(body));
    } catch (error) {
      if ((error as Error).name !== "QuotaExceededError") throw error;
      const { usage = 0, quota = 0 } = await navigator.storage.estimate();
      throw new Error(
        `hf://${repo}: the browser gives this site ${quota} bytes, of which ${usage} are used; free some, for example with caches.delete("${cacheName}"), or disable the cache with hub: { cache: false }`,
        { cause: error },
      );
    }
  }
}

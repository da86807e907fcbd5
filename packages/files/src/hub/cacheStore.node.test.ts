import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { blockBytes, cacheStore } from "./cacheStore.ts";
import type { Bringing, HubFile } from "./hubStore.ts";

const total = 2 * blockBytes + 10;
const file: HubFile = { path: "sub dir/model.bin", size: total, etag: "abc" };

/** Cache Storage in memory. `put` fails with the error, if one is given. */
let stored: Map<string, Uint8Array>;
let failure: Error | undefined;
beforeEach(() => {
  stored = new Map();
  failure = undefined;
  const cache = {
    match: async (key: string) => {
      const body = stored.get(key);
      return body && new Response(body.slice());
    },
    put: async (key: string, response: Response) => {
      if (failure) throw failure;
      stored.set(key, new Uint8Array(await response.arrayBuffer()));
    },
    keys: async () => [...stored.keys()].map((url) => ({ url })),
  };
  vi.stubGlobal("caches", { open: async () => cache });
});
afterEach(() => {
  vi.unstubAllGlobals();
});

const open = () => cacheStore("https://hub", "org/name");

/** Returns a client that notes the ranges that it is asked for, and the progress. */
function remote() {
  const asked: [number, number][] = [];
  const progress: object[] = [];
  const read = async (start: number, length: number) => {
    asked.push([start, length]);
    return new Uint8Array(length).fill(1 + start / blockBytes);
  };
  const client = vi.fn(async () => ({ source: () => ({ size: total, read }) }));
  const from = { client, label: "it", onProgress: (report: object) => progress.push(report) } as never as Bringing;
  return { asked, progress, from, client };
}

describe("the cache of a page", () => {
  test("has revisions, and the files of commits", async () => {
    const store = await open();
    expect([store.label, await store.readRef("main")]).toEqual(["Cache Storage, lowrank-hub", undefined]);
    await store.writeRef("refs/pr/1", "c1");
    expect(await store.readRef("refs/pr/1")).toBe("c1");
    const { from } = remote();
    await store.bring("c1", file, from);
    await store.bring("c2", { ...file, path: "a" }, from);
    expect([await store.list("c1"), await store.list("c2"), await store.list("c")]).toEqual([[file.path], ["a"], []]);
    expect(await store.find("c1", "a")).toBeUndefined();
    expect([...stored.keys()]).toEqual([
      "https://hub/org/name/refs/refs%2Fpr%2F1",
      "https://hub/org/name/snapshots/c1/sub%20dir/model.bin",
      "https://hub/org/name/snapshots/c2/a",
    ]);
  });

  test("downloads the blocks that are read, once each", async () => {
    const store = await open();
    const { asked, progress, from, client } = remote();
    await store.bring("c", file, from);
    const [one, two] = [await store.find("c", file.path, from), await store.find("c", file.path, from)];
    expect(one?.size).toBe(total);
    // Two readers of one block share its request.
    const found = await Promise.all([one!.read(total - 3, 3), two!.read(total - 2, 2)]);
    expect(found.map((bytes) => [...bytes])).toEqual([
      [3, 3, 3],
      [3, 3],
    ]);
    expect(asked).toEqual([[2 * blockBytes, 10]]);
    expect([...(await one!.read(blockBytes - 1, 2))]).toEqual([1, 2]);
    expect(asked.slice(1)).toEqual([
      [0, blockBytes],
      [blockBytes, blockBytes],
    ]);
    const name = file.path;
    expect(progress.at(-1)).toEqual({ loaded: total, total, name });
    expect(progress).toContainEqual({ loaded: 2 * blockBytes, total, name });
    const third = remote();
    const again = await store.find("c", file.path, third.from);
    expect([...(await again!.read(0, 2))]).toEqual([1, 1]);
    expect([third.asked, third.progress, third.client.mock.calls.length]).toEqual([[], [], 0]);
    expect(client.mock.calls.length).toBeLessThanOrEqual(2);
  });

  test("without a hub has only what was read", async () => {
    const store = await open();
    const { from } = remote();
    await store.bring("c", file, from);
    await (await store.find("c", file.path, from))!.read(0, 1);
    const offline = (await store.find("c", file.path))!;
    expect([...(await offline.read(5, 1))]).toEqual([1]);
    await expect(offline.read(2 * blockBytes, 1)).rejects.toThrow(
      `hf://org/name: bytes ${2 * blockBytes} to ${total} of ${file.path} are not in the cache; load the file once while online`,
    );
    // A block of another length is not used.
    stored.set("https://hub/org/name/blobs/abc?block=2", new Uint8Array(9));
    await expect(offline.read(2 * blockBytes, 1)).rejects.toThrow("are not in the cache");
  });

  test("that is full names the bytes that the site has", async () => {
    const store = await open();
    const { from } = remote();
    failure = new DOMException("full", "QuotaExceededError");
    for (const [estimate, words] of [
      [{ usage: 5, quota: 7 }, "the browser gives this site 7 bytes, of which 5 are used"],
      [{}, "the browser gives this site 0 bytes, of which 0 are used"],
    ] as const) {
      vi.stubGlobal("navigator", { storage: { estimate: async () => estimate } });
      await expect(store.bring("c", file, from)).rejects.toThrow(words);
    }
    failure = new Error("other");
    await expect(store.bring("c", file, from)).rejects.toThrow("other");
  });

  test("is missing on pages that are not secure", async () => {
    vi.stubGlobal("caches", undefined);
    await expect(open()).rejects.toThrow("hf://org/name: this page has no Cache Storage to keep files in");
  });
});

import fsSync from "node:fs";
import fs, { mkdir, mkdtemp, readdir, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { HandClock } from "../adapters/testing/handClock.ts";
import { diskFolder } from "./diskFolder.ts";
import { fileAccess } from "./fileAccess.ts";
import { folderPlace } from "./folderPlace.ts";

let made = "";
/** Folder of a test. */
let root = "";
beforeAll(async () => {
  made = await mkdtemp(join(tmpdir(), "lowrank-folders-"));
});
beforeEach(async () => {
  root = await mkdtemp(join(made, "f-"));
});
afterEach(() => void vi.restoreAllMocks());
afterAll(() => rm(made, { recursive: true }));

async function write(...paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), "{}");
  }
}

test("a folder may be a path, or a URL of a file as object or text", async () => {
  await write("k");
  for (const given of [root, pathToFileURL(root), pathToFileURL(root).href]) {
    expect(folderPlace(given).label).toBe(`folder ${root}`);
    expect(await folderPlace(given).list("")).toEqual([{ key: "k", size: 2 }]);
  }
});

test("a path in a place may be absolute, below its folder", () => {
  const { pathOf } = folderPlace(root);
  expect([pathOf("a/b"), pathOf(join(root, "a/b")), pathOf(`${root}/a/`)]).toEqual(["a/b", "a/b", "a"]);
  for (const path of [`${root}/a/../b`, `${root}/../x`, `${root}x/a`, root, `${root}/a//b`, "/etc"]) {
    expect(() => pathOf(path), path).toThrow(expect.objectContaining({ code: "invalid_request" }));
  }
});

test("adapters are the folders with a configuration, not those in other adapters or of jobs", async () => {
  const configs = ["a", "a/inner", "b/c", ".jobs", "b/.hidden", "z"].map((path) => `${path}/adapter_config.json`);
  await write(...configs, "adapter_config.json", "d/readme", "e/adapter_config.json.bak");
  const outside = await mkdtemp(join(made, "outside-"));
  await writeFile(join(outside, "adapter_config.json"), "{}");
  await symlink("a", join(root, "link"));
  await symlink("d", join(root, "linkToOther"));
  await symlink("b", join(root, "linkToOuter"));
  await symlink("nowhere", join(root, "dangling"));
  await symlink(outside, join(root, "leading-out"));
  await symlink("readme", join(root, "d/file-link"));
  expect(await folderPlace(root).adapters()).toEqual(["a", "b/c", "link", "z"]);
});

test("a file has no files, nor has a folder that is not there", async () => {
  await write("a/x");
  const { files } = folderPlace(root);
  expect([await files("a/x"), await files("b")]).toEqual([null, null]);
  expect(await files("a")).toEqual([{ name: "x", size: 2, tag: expect.any(String) }]);
});

describe("a file", () => {
  const place = () => folderPlace(root, new HandClock());
  const listed = async (path = "a") => (await place().files(path)) ?? [];

  test("that comes in small pieces is read whole", async () => {
    await mkdir(join(root, "a"));
    await writeFile(join(root, "a/x"), "0123456789");
    const files = await listed();
    const { read } = fsSync;
    vi.spyOn(fsSync, "read").mockImplementation(((...args: [number, Uint8Array, number, number, number, never]) => {
      const [file, bytes, at, length, position, done] = args;
      read(file, bytes, at, Math.min(length, 3), position, done);
    }) as never);
    const [content] = (await place().read("a", files)) ?? [];
    expect(new TextDecoder().decode(content)).toBe("0123456789");
  });

  test("that is a link within the store is read", async () => {
    await write("other/x");
    await mkdir(join(root, "a"));
    await symlink("../other/x", join(root, "a/x"));
    expect(await place().read("a", await listed())).toEqual([new TextEncoder().encode("{}")]);
  });

  test.each([
    [
      "was replaced",
      () => {
        fsSync.writeFileSync(join(root, "new"), "{}");
        fsSync.renameSync(join(root, "new"), join(root, "a/x"));
      },
    ],
    ["was removed", () => fsSync.rmSync(join(root, "a/x"))],
    ["lost its folder", () => fsSync.rmSync(join(root, "a"), { recursive: true })],
  ])("that %s after it was read does not count", async (_, change) => {
    await write("a/x");
    const files = await listed();
    const { closeSync } = fsSync;
    vi.spyOn(fsSync, "closeSync").mockImplementationOnce((file) => {
      closeSync(file);
      change();
    });
    expect(await place().read("a", files)).toBe(null);
  });
});

describe("the manifest's lock", () => {
  /** Returns the place, and the pauses in milliseconds that it has made. */
  const start = () => {
    const waits: number[] = [];
    const after = (ms: number, fn: () => void) => {
      waits.push(ms);
      queueMicrotask(fn);
      return () => undefined;
    };
    return { waits, place: folderPlace(root, { now: () => 0, after }) };
  };
  const lock = () => join(root, "manifest.json.lock");
  /** Makes the lock appear to be so many milliseconds older than the file of this writer. */
  const age = (ms: bigint, ino?: bigint) => {
    const { stat } = fs;
    vi.spyOn(fs, "stat").mockImplementation((async (path: string, options?: { bigint?: boolean }) => {
      const found = await stat(path, { bigint: true });
      const mtimeMs = 1_700_000_000_000n - (path === lock() ? ms : 0n);
      const inode = path === lock() ? (ino ?? found.ino) : found.ino;
      const same = (value: bigint) => (options?.bigint ? value : Number(value));
      return { ...found, mtimeMs: same(mtimeMs), ino: same(inode) };
    }) as never);
  };

  test("is gone after a write, and of two writers one succeeds", async () => {
    const { place, waits } = start();
    const tag = await place.writeManifest("1", null);
    expect(await readdir(root)).toEqual(["manifest.json"]);
    expect(await place.writeManifest("2", null)).toBe(null);
    expect(await place.writeManifest("2", "other")).toBe(null);
    expect(await place.readManifest()).toEqual({ text: "1", tag });
    expect(await place.readManifest(tag as string)).toBe("same");
    expect([await readdir(root), waits]).toEqual([["manifest.json"], []]);
  });

  test.each([0n, 30_000n])("of another writer, which is %i ms old, is waited for: 200 times 25 ms", async (ms) => {
    await writeFile(lock(), "");
    age(ms);
    const { place, waits } = start();
    const error = await place.writeManifest("1", null).catch((error) => error);
    expect([error.code, error.message, error.cause.message]).toEqual([
      "unavailable",
      "the store is being written by another server: its manifest.json is locked",
      `folder ${root}: another server is writing manifest.json; remove ${lock()} if none is`,
    ]);
    expect(waits).toEqual(Array(200).fill(25));
    expect(await readdir(root)).toEqual(["manifest.json.lock"]);
  });

  test("that is older than 30 seconds is taken away", async () => {
    await writeFile(lock(), "");
    age(30_001n);
    const { place, waits } = start();
    expect(await place.writeManifest("1", null)).toMatch(/^[0-9a-f]{64}$/);
    expect([await readdir(root), waits]).toEqual([["manifest.json"], []]);
  });

  test("that another writer has just taken is put back", async () => {
    await writeFile(lock(), "theirs");
    const { ino } = await stat(lock(), { bigint: true });
    age(30_001n, ino + 1n);
    await expect(start().place.writeManifest("1", null)).rejects.toMatchObject({ code: "unavailable" });
    expect(await readdir(root)).toEqual(["manifest.json.lock"]);
  });
});

describe("access to files", () => {
  test("is asynchronous for a while after an operation of more than 4 ms, at any time", async () => {
    await write("x");
    const clock = new HandClock();
    clock.turn(70_000);
    const now = fileAccess(diskFolder(root), clock);
    const quick = now();
    const { lstatSync } = fsSync;
    const takes = (ms: number) => {
      vi.spyOn(fsSync, "lstatSync").mockImplementationOnce(((...args: Parameters<typeof lstatSync>) => {
        clock.turn(ms);
        return lstatSync(...args);
      }) as never);
    };
    takes(4);
    await quick.lstat(join(root, "x"));
    expect(now()).toBe(quick);
    takes(4.5);
    await quick.lstat(join(root, "x"));
    expect(now()).not.toBe(quick);
    clock.turn(5000);
    expect(now()).toBe(quick);
  });

  test("does not wait for the writer of a pipe, where the system has a flag for it", async () => {
    await write("x");
    const modules = diskFolder(root);
    const opened = vi.spyOn(fsSync, "openSync");
    for (const [constants, flags] of [
      [{ O_RDONLY: 0 }, 0],
      [{ O_RDONLY: 0, O_NONBLOCK: 2048 }, 2048],
    ] as const) {
      const access = fileAccess({ ...modules, constants: constants as never }, new HandClock())();
      await (await access.open(join(root, "x"))).close();
      expect(opened.mock.calls.at(-1)).toEqual([join(root, "x"), flags]);
    }
  });
});

describe("objects of a folder", () => {
  test("are read in pieces of a mebibyte", async () => {
    const store = folderPlace(root);
    await store.put("k", new Uint8Array(2 ** 21 + 5));
    const lengths: number[] = [];
    for await (const { length } of store.stream("k")) lengths.push(length);
    expect(lengths).toEqual([2 ** 20, 2 ** 20, 5]);
    const missing = store.stream("none")[Symbol.asyncIterator]().next();
    await expect(missing).rejects.toMatchObject({ message: "the store lacks an object" });
  });

  test("that are made are on the disk before they have their key", async () => {
    const written = vi.spyOn(fs, "writeFile");
    const linked = vi.spyOn(fs, "link").mockImplementation(async () => {
      expect(written.mock.calls.map(([, text, options]) => [text, options])).toEqual([["x", { flush: true }]]);
    });
    expect(await folderPlace(root).create("a/k", "x")).toBe(true);
    expect(linked).toHaveBeenCalledTimes(1);
  });

  test("are in the list in the order of whole keys, without files of running writers", async () => {
    await write("b", "a/z", "a-b", "a/b/c", "x.part", "y.old", "B");
    expect((await folderPlace(root).list("")).map(({ key }) => key)).toEqual(["B", "a-b", "a/b/c", "a/z", "b"]);
    expect((await folderPlace(root).list("a/")).map(({ key }) => key)).toEqual(["a/b/c", "a/z"]);
  });
});

import fsSync from "node:fs";
import fs, { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { diskModules } from "./diskModules.ts";
import { type FileAccess, fileAccess } from "./fileAccess.ts";
import { HandClock } from "./testing/handClock.ts";

let folder = "";
let file = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-access-"));
  file = join(folder, "file");
  await writeFile(file, "0123456789");
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

/** The way to read files of so many bytes: two are compared by what they are. */
function start(clock: HandClock = new HandClock()): (bytes: number) => FileAccess {
  return fileAccess(diskModules(folder), clock);
}

/** Reads `length` bytes of the file from `at` on. */
async function read(access: FileAccess, at: number, length: number): Promise<string> {
  const opened = await access.open(file);
  const bytes = new Uint8Array(16);
  const count = await opened.read(bytes, at, length);
  await opened.close();
  return new TextDecoder().decode(bytes.subarray(at, at + count));
}

test("both ways give the same", async () => {
  const accessFor = start();
  for (const access of [accessFor(10), accessFor(1e9)]) {
    expect(await read(access, 3, 4)).toBe("3456");
    expect(await read(access, 8, 8)).toBe("89");
    expect(await read(access, 10, 4)).toBe("");
    const { ino, mtimeNs } = await fs.stat(file, { bigint: true });
    expect(await access.lstat(file)).toMatchObject({ ino, mtimeNs });
    const opened = await access.open(file);
    expect(await opened.stat()).toMatchObject({ ino, size: 10n });
    await opened.close();
    expect(await access.realpath(join(folder, ".", "file"))).toBe(await fs.realpath(file));
    const absent = join(folder, "absent");
    for (const operation of ["open", "lstat", "realpath"] as const) {
      await expect(access[operation](absent), operation).rejects.toMatchObject({ code: "ENOENT" });
    }
  }
});

test("a file that was read at once is closed", async () => {
  const [open, close] = [vi.spyOn(fsSync, "openSync"), vi.spyOn(fsSync, "closeSync")];
  await read(start()(10), 0, 10);
  expect(open).toHaveBeenCalledOnce();
  expect(close).toHaveBeenCalledExactlyOnceWith(open.mock.results[0].value);
});

test("small files are read at once, large ones beside other work", async () => {
  const accessFor = start();
  expect(accessFor(1 << 18)).toBe(accessFor(0));
  expect(accessFor((1 << 18) + 1)).not.toBe(accessFor(0));
  const later = vi.spyOn(fs, "lstat");
  await accessFor(0).lstat(file);
  expect(later).not.toHaveBeenCalled();
  await accessFor(1e9).lstat(file);
  expect(later).toHaveBeenCalledOnce();
});

test("nothing waits for a disk that has been slow, for five seconds", async () => {
  const clock = new HandClock();
  const accessFor = start(clock);
  const [small, large] = [accessFor(0), accessFor(1e9)];
  const takes = (ms: number) => {
    const { lstatSync } = fsSync;
    vi.spyOn(fsSync, "lstatSync").mockImplementationOnce(((...args: Parameters<typeof lstatSync>) => {
      clock.turn(ms);
      return lstatSync(...args);
    }) as typeof lstatSync);
  };
  takes(4);
  await small.lstat(file);
  expect(accessFor(0)).toBe(small);
  takes(5);
  await expect(small.lstat(join(folder, "absent"))).rejects.toMatchObject({ code: "ENOENT" });
  expect(accessFor(0)).toBe(large);
  clock.turn(4999);
  expect(accessFor(0)).toBe(large);
  clock.turn(1);
  expect(accessFor(0)).toBe(small);
});

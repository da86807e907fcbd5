import fsSync from "node:fs";
import fs, { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test, vi } from "vitest";
import { HandClock } from "../adapters/testing/handClock.ts";
import { diskFolder } from "./diskFolder.ts";
import { type FileAccess, fileAccess } from "./fileAccess.ts";

let folder = "";
let file = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-access-"));
  file = join(folder, "file");
  await writeFile(file, "0123456789");
});
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => void vi.restoreAllMocks());

/** Returns the file access selector, and its clock. */
function start() {
  const clock = new HandClock();
  const accessNow = fileAccess(diskFolder(folder), clock);
  /** Makes the next `lstat` take this long. */
  const takes = (ms: number) => {
    const { lstatSync } = fsSync;
    vi.spyOn(fsSync, "lstatSync").mockImplementationOnce(((...args: Parameters<typeof lstatSync>) => {
      clock.turn(ms);
      return lstatSync(...args);
    }) as typeof lstatSync);
  };
  return { clock, accessNow, takes };
}

async function bothWays(): Promise<FileAccess[]> {
  const { accessNow, takes } = start();
  const quick = accessNow();
  takes(5);
  await quick.lstat(file);
  return [quick, accessNow()];
}

/** Reads `length` bytes of the file from offset `at`. */
async function read(access: FileAccess, at: number, length: number): Promise<string> {
  const opened = await access.open(file);
  const bytes = new Uint8Array(16);
  const count = await opened.read(bytes, at, length);
  await opened.close();
  return new TextDecoder().decode(bytes.subarray(at, at + count));
}

test("both ways give the same", async () => {
  const ways = await bothWays();
  expect(new Set(ways).size).toBe(2);
  for (const access of ways) {
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
    const inner = await access.open(folder);
    await expect(inner.read(new Uint8Array(4), 0, 4)).rejects.toMatchObject({ code: "EISDIR" });
    await inner.close();
  }
});

test("of a quick disk contents alone are read by other threads, and each file is closed", async () => {
  const { accessNow } = start();
  const open = vi.spyOn(fsSync, "openSync");
  const [close, content] = [vi.spyOn(fsSync, "closeSync"), vi.spyOn(fsSync, "read")];
  const beside = [vi.spyOn(fs, "open"), vi.spyOn(fs, "lstat"), vi.spyOn(fs, "realpath")];
  const access = accessNow();
  await read(access, 0, 10);
  await access.lstat(await access.realpath(file));
  expect(open).toHaveBeenCalledOnce();
  expect(content).toHaveBeenCalledOnce();
  expect(close).toHaveBeenCalledExactlyOnceWith(open.mock.results[0].value);
  for (const operation of beside) expect(operation).not.toHaveBeenCalled();
});

test("nothing waits for a disk that has been slow, for five seconds", async () => {
  const { clock, accessNow, takes } = start();
  const quick = accessNow();
  takes(4);
  await quick.lstat(file);
  expect(accessNow()).toBe(quick);
  takes(5);
  await expect(quick.lstat(join(folder, "absent"))).rejects.toMatchObject({ code: "ENOENT" });
  const slow = accessNow();
  expect(slow).not.toBe(quick);
  clock.turn(4999);
  expect(accessNow()).toBe(slow);
  clock.turn(1);
  expect(accessNow()).toBe(quick);
});

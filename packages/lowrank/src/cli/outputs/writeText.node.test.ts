import { execFileSync } from "node:child_process";
import { lstat, mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeText } from "./writeText.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-text-"));
afterAll(() => rm(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

test("makes the folder, replaces a file, and keeps a link", async () => {
  await writeText(at("new/report.md"), "1");
  await writeText(at("new/report.md"), "2");
  expect(await readFile(at("new/report.md"), "utf8")).toBe("2");
  expect(await readdir(at("new"))).toEqual(["report.md"]);
  await writeFile(at("file"), "1");
  await symlink(at("file"), at("link"));
  await writeText(at("link"), "2");
  expect(await readFile(at("file"), "utf8")).toBe("2");
  await expect(writeText(folder, "x")).rejects.toThrow(`${folder} is a folder; give a file`);
});

test.skipIf(process.platform === "win32")("writes to a pipe, which stays a pipe", async () => {
  execFileSync("mkfifo", [at("pipe")]);
  // Opened for both, the pipe has a reader before it is written to.
  const pipe = await open(at("pipe"), "r+");
  await writeText(at("pipe"), "x");
  expect((await pipe.read(Buffer.alloc(4), 0, 4)).buffer.toString("utf8", 0, 1)).toBe("x");
  await pipe.close();
  expect((await lstat(at("pipe"))).isFIFO()).toBe(true);
});

/**
 * Returns a device that is full. For root it is a copy, since a fault in the code could replace /dev/full by a file.
 */
async function fullDevice(): Promise<string> {
  if (process.getuid?.() !== 0) return "/dev/full";
  try {
    execFileSync("mknod", [at("full"), "c", "1", "7"]);
    await writeFile(at("full"), "x");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOSPC") return at("full");
  }
  return "/dev/full";
}

test.skipIf(process.platform !== "linux")("names a device that is full", async () => {
  const path = await fullDevice();
  const error = `${path}: no space is left on the disk for its 1 bytes; make room, or give another folder`;
  await expect(writeText(path, "x")).rejects.toThrow(error);
});

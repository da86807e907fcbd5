import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { fullDisk } from "../disk/fullDisk.ts";
import { nodeModules } from "../disk/nodeModules.ts";
import { folderFiles } from "../places/folderFiles.ts";
import { memoryFiles } from "../places/memoryFiles.ts";
import { removeFolder, writeFolderOf } from "./writeFiles.ts";
import { writeFolder } from "./writeFolder.ts";

let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-remove-"));
});

afterEach(() => rm(folder, { recursive: true }));

test("a folder is removed with its contents, and a missing one is no error", async () => {
  await writeFolder(join(folder, "run"), new Map([["deep/file", "text"]]));
  await writeFile(join(folder, "other"), "");
  await removeFolder(folder, "run");
  await removeFolder(folder, "run");
  expect(await readdir(folder)).toEqual(["other"]);
});

test("a removal that is cut short leaves nothing under the folder's name", async () => {
  await writeFolder(join(folder, "run"), new Map([["file", "text"]]));
  const cut = vi.spyOn(nodeModules(folder).fs, "rm").mockRejectedValueOnce(new Error("killed"));
  await expect(removeFolder(folder, "run")).rejects.toThrow("killed");
  cut.mockRestore();
  expect(await readdir(folder)).toEqual([expect.stringMatching(/^run\..*\.old$/)]);
});

test("a folder of another place is removed if the place can do so", async () => {
  const place = memoryFiles({ b: "2" });
  await place.write(new Map([["run/a", "1"]]));
  await removeFolder(place, "run");
  expect(await place.list()).toEqual(["b"]);
  const fixed = { ...place, label: "these", removeFolder: undefined };
  await expect(removeFolder(fixed, "run")).rejects.toThrow(
    "these has no method removeFolder, so run in it cannot be removed",
  );
});

test("a folder is replaced as a whole on disk, and by the place if it can do so", async () => {
  await writeFolder(join(folder, "run"), new Map([["old", "text"]]));
  const contents = new Map([["a", "new"]]);
  await writeFolderOf(folder, "run", contents);
  expect(await readdir(join(folder, "run"))).toEqual(["a"]);
  const place = { ...memoryFiles({ "run/old": "text" }), replaceFolder: undefined };
  await writeFolderOf(place, "run", contents);
  expect((await place.list("run")).sort()).toEqual(["a", "old"]);
  const replaceFolder = vi.fn(async () => undefined);
  await writeFolderOf({ ...place, replaceFolder }, "run", contents);
  expect(replaceFolder.mock.calls).toEqual([["run", contents]]);
});

test("a first file that fails leaves nothing of the others, and its error is thrown", async () => {
  async function* failing() {
    yield new Uint8Array(1);
    throw new Error("no more");
  }
  const contents = new Map<string, string | AsyncIterable<Uint8Array>>([
    ["a", failing()],
    ["b", "text"],
  ]);
  await expect(writeFolder(join(folder, "run"), contents)).rejects.toThrow("no more");
  expect(await readdir(join(folder, "run")).catch(() => [])).toEqual([]);
});

test("the error of a write names the path, and the bytes for which the disk has no space", async () => {
  const failure = (facts: object) => Object.assign(new Error("it failed"), facts);
  const message = (facts: object, content: Parameters<typeof fullDisk>[2]) =>
    (fullDisk(failure(facts), "/a", content) as Error).message;
  const full = (bytes: string) => `/a: no space is left on the disk${bytes}; make room, or give another folder`;
  for (const code of ["ENOSPC", "EDQUOT"]) {
    expect(message({ code, syscall: "write", path: "/b" }, "abc")).toBe(full(" for its 3 bytes"));
    expect(message({ code }, new Uint8Array(4))).toBe(full(" for its 4 bytes"));
    expect(message({ code }, (async function* () {})())).toBe(full(""));
  }
  expect(message({ code: "EIO", syscall: "write" }, "abc")).toBe("/a: it failed");
  for (const facts of [{ code: "EIO", syscall: "open", path: "/b" }, { code: "EIO" }, {}]) {
    const error = failure(facts);
    expect(fullDisk(error, "/a", "abc")).toBe(error);
  }
});

test("a missing folder may be a repository of the hub, if its path has two names", async () => {
  await expect(folderFiles("no-org/no-name")).rejects.toThrow(
    'check the path; if it is a repository of the Hugging Face hub, give "hf://no-org/no-name"',
  );
  await expect(folderFiles("/no/such/folder")).rejects.toThrow(/check the path$/);
});

import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { nodeModules } from "../disk/nodeModules.ts";
import { removeFolder } from "./removeFolder.ts";
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

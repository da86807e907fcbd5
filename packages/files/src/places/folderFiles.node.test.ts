import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { filesCases } from "../testing/filesCases.ts";
import { folderFiles } from "./folderFiles.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  await writeFile(join(folder, "a.json"), '"é"');
  await writeFile(
    join(folder, "b.bin"),
    Uint8Array.from({ length: 100 }, (_, i) => i),
  );
});
afterAll(() => rm(folder, { recursive: true }));

describe("a folder on disk", () => {
  const empty = async () => folderFiles(await mkdtemp(join(folder, "case-")));
  for (const { name, run } of filesCases(empty)) test(name, run);
});

test("reads text and parts, by path and by URL", async () => {
  for (const place of [folder, pathToFileURL(folder), pathToFileURL(folder).href]) {
    const files = await folderFiles(place);
    expect(await files.readText("a.json")).toBe('"é"');
    const source = await files.open("b.bin");
    expect(source.size).toBe(100);
    expect(Array.from(await source.read(97, 3))).toEqual([97, 98, 99]);
    const room = new Uint8Array(3);
    await source.readInto?.(40, room.subarray(1));
    expect(Array.from(room)).toEqual([0, 40, 41]);
    await expect(source.readInto?.(98, room)).rejects.toThrow("ends at byte 100; bytes 98 to 101 were asked for");
    expect([await files.has("b.bin"), await files.has("c")]).toEqual([true, false]);
    await expect(source.read(98, 3)).rejects.toThrow("ends at byte 100; bytes 98 to 101 were asked for");
  }
});

test("a name that is too long for a file is of none", async () => {
  const files = await folderFiles(folder);
  const long = "x".repeat(5000);
  await expect(files.open(long)).rejects.toThrow(`has no ${long} (it holds a.json, b.bin`);
  await expect(folderFiles(join(folder, long))).rejects.toThrow("no folder");
});

test("errors say what is there", async () => {
  const files = await folderFiles(folder);
  await expect(files.readText("config.json")).rejects.toThrow(
    `folder ${folder} has no config.json (it holds a.json, b.bin, `,
  );
  await expect(files.open("c")).rejects.toThrow("has no c");
  await expect(folderFiles(join(folder, "none"))).rejects.toThrow("There is no folder");
  await expect(folderFiles(join(folder, "a.json"))).rejects.toThrow("is a file; expected the folder");
});

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { temporaryName, writingId } from "../disk/leftovers.ts";
import { replaceFolder } from "./writeFolder.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-replace-"));
afterAll(() => rm(folder, { recursive: true }));
const run = join(folder, "run");
/** The write id of a process that has ended. */
const endedId = writingId().replace(/-[0-9a-z]+-[0-9a-z]+-/, "-zzzzz-1-");
const text = (name: string) => readFile(join(run, name), "utf8");

test("holds the files given, and no others, and clears what died beside it", async () => {
  await replaceFolder(
    run,
    new Map([
      ["a", "1"],
      ["in/b", "1"],
    ]),
  );
  expect((await readdir(run, { recursive: true })).sort()).toEqual(["a", "in", "in/b"]);
  await writeFile(join(folder, temporaryName("run", endedId, "part")), "");
  await writeFile(join(folder, "run.notes.part"), "");
  await replaceFolder(run, new Map([["c", "2"]]));
  expect(await readdir(run)).toEqual(["c"]);
  expect((await readdir(folder)).sort()).toEqual(["run", "run.notes.part"]);
});

test("stays as it was where a file cannot be made", async () => {
  async function* fails(): AsyncGenerator<Uint8Array> {
    yield Uint8Array.of(1);
    throw new Error("no more");
  }
  await expect(
    replaceFolder(
      run,
      new Map<string, string | AsyncIterable<Uint8Array>>([
        ["a", "3"],
        ["b", fails()],
      ]),
    ),
  ).rejects.toThrow("no more");
  expect(await text("c")).toBe("2");
  expect((await readdir(folder)).sort()).toEqual(["run", "run.notes.part"]);
});

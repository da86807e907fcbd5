import { spawn, spawnSync } from "node:child_process";
import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { replaceFolder, writeFolder } from "../writing/writeFolder.ts";
import { isTemporaryOf, parseTemporaryName, removeLeftovers, temporaryName, writerOf, writingId } from "./leftovers.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-leftovers-"));
afterAll(() => rm(folder, { recursive: true }));
const module = join(import.meta.dirname, "leftovers.ts");
const printId = ["--input-type=module", "--eval", `console.log((await import(${JSON.stringify(module)})).writingId())`];

/** The write id of a process that has ended. */
const deadId = spawnSync(process.execPath, printId, { encoding: "utf8" }).stdout.trim();

test("a temporary name contains the file's name, an id of the write and the process id", async () => {
  const id = writingId();
  const name = temporaryName("model.safetensors", id, "part");
  expect(parseTemporaryName(name)).toEqual({ name: "model.safetensors", id, kind: "part" });
  expect(parseTemporaryName("notes.part")).toBe(null);
  expect(await writerOf(join(folder, name))).toBe(process.pid);
  expect(await writerOf(join(folder, temporaryName("a", deadId, "old")))).toBe(null);
});

test("leftovers of ended processes are removed, and files of living ones and of the user stay", async () => {
  const names = [deadId, writingId()].flatMap((id) => [temporaryName("a", id, "part"), temporaryName("b", id, "old")]);
  for (const name of [...names, "notes.part", "a"]) await writeFile(join(folder, name), "");
  await mkdir(join(folder, "inner"));
  await mkdir(join(folder, "inner", temporaryName("run", deadId, "part")));
  await removeLeftovers(folder, { of: "a" });
  expect(await readdir(folder)).toHaveLength(6);
  await removeLeftovers(folder, { recursive: true });
  expect((await readdir(folder, { recursive: true })).sort()).toEqual(
    ["a", "inner", "notes.part", ...names.slice(2)].sort(),
  );
  await rm(join(folder, "inner"), { recursive: true });
  await removeLeftovers(join(folder, "nowhere"));
});

test("a process that reuses the id of an ended process does not own its leftovers", async () => {
  const child = spawn(process.execPath, ["--eval", "setTimeout(() => {}, 60_000)"]);
  const [host, , start, random] = writingId().split("-");
  const id = [host, child.pid?.toString(36), start === "0" ? start : "1", random].join("-");
  expect(await writerOf(temporaryName("a", id, "part"))).toBe(start === "0" ? child.pid : null);
  child.kill();
});

test("a writer on another machine counts until its file has not changed for a day", async () => {
  const [host, ...rest] = deadId.split("-");
  const other = join(folder, temporaryName("c", [host === "0000" ? "1111" : "0000", ...rest].join("-"), "part"));
  await writeFile(other, "");
  expect(await writerOf(other)).toBeGreaterThan(0);
  await utimes(other, 0, 0);
  await removeLeftovers(folder, { of: "c" });
  expect(await readdir(folder)).not.toContain(other);
});

test.each(["x".repeat(255), `${"é".repeat(127)}x`])("names of 255 bytes can be written: %s", async (name) => {
  await writeFolder(folder, new Map([[name, "1"]]));
  await writeFolder(folder, new Map(["a", name].map((file) => [file, "2"])));
  expect(await readFile(join(folder, name), "utf8")).toBe("2");
  const id = writingId();
  const shorter = temporaryName(name, id, "part");
  expect(Buffer.byteLength(shorter)).toBeLessThanOrEqual(255);
  expect(shorter).not.toContain("\uFFFD");
  expect([isTemporaryOf(shorter, name), isTemporaryOf(shorter, "x")]).toEqual([true, false]);
  await rm(join(folder, name));
  await replaceFolder(join(folder, name), new Map([["a", "1"]]));
  await replaceFolder(join(folder, name), new Map([["a", "2"]]));
  expect(await readFile(join(folder, name, "a"), "utf8")).toBe("2");
});

import { spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, stat, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, afterEach, describe, expect, test, vi } from "vitest";
import {
  isAlive,
  parseTemporaryName,
  removeLeftovers,
  startOfProcess,
  temporaryName,
  writerOf,
  writingId,
} from "./disk/leftovers.ts";

const folder = await mkdtemp(join(tmpdir(), "lowrank-names-"));
afterAll(() => rm(folder, { recursive: true }));
afterEach(() => {
  vi.restoreAllMocks();
});

/** Returns the 32-bit FNV-1a hash in 8 hexadecimal digits, computed with BigInt. */
function fnv1a(text: string): string {
  let hash = 2166136261n;
  for (const byte of Buffer.from(text)) hash = ((hash ^ BigInt(byte)) * 16777619n) % 2n ** 32n;
  return hash.toString(16).padStart(8, "0");
}

const [host, pid, start, random] = writingId().split("-");
const dead = `${host}-${pid}-${start}0-${random}`;
const foreign = `${host === "0000" ? "1111" : "0000"}-${pid}-${start}-${random}`;

test("the hash of the test is FNV-1a's", () => {
  expect([fnv1a(""), fnv1a("a"), fnv1a("foobar")]).toEqual(["811c9dc5", "e40c292c", "bf9cf968"]);
});

test("an id names the machine, the process, its start and the writing", () => {
  expect(host).toBe(fnv1a(hostname()).slice(0, 4));
  expect(Number.parseInt(pid, 36)).toBe(process.pid);
  expect(start).toBe((startOfProcess("self") ?? 0).toString(36));
  expect(writingId()).not.toBe(writingId());
});

describe("a temporary name", () => {
  const id = `${host}-${pid}-${start}-${random}`;
  const most = 255 - `.${id}.part`.length;

  test("has the whole name up to 255 bytes", () => {
    for (const name of ["a", "x".repeat(most - 1), "x".repeat(most)]) {
      expect(temporaryName(name, id, "part")).toBe(`${name}.${id}.part`);
    }
  });

  test("of a longer one has its beginning and its hash", () => {
    for (const name of ["x".repeat(most + 1), "y".repeat(255)]) {
      const short = `${name.slice(0, most - 9)}~${fnv1a(name)}`;
      expect(parseTemporaryName(temporaryName(name, id, "part"))).toEqual({ name: short, id, kind: "part" });
    }
  });

  test("has all 8 digits of a small hash", () => {
    const name = Array.from({ length: 1000 }, (_, i) => `${i}`.padStart(most + 1, "x")).find((one) =>
      fnv1a(one).startsWith("0"),
    ) as string;
    expect(temporaryName(name, id, "part")).toContain(`~${fnv1a(name)}.`);
  });

  test.each(["é", "漢", "\u{1f600}"])("is not cut within %s", (letter) => {
    const size = Buffer.byteLength(letter);
    for (let before = 0; before < size; before++) {
      const name = "x".repeat(before) + letter.repeat(Math.ceil((most + 1) / size));
      const letters = Math.floor((most - 9 - before) / size);
      const short = `${"x".repeat(before)}${letter.repeat(letters)}~${fnv1a(name)}`;
      expect(parseTemporaryName(temporaryName(name, id, "part"))?.name).toBe(short);
    }
  });
});

describe("the writer", () => {
  test("is a process that lives and started at that time", async () => {
    expect(await writerOf(join(folder, `a.${host}-${pid}-${start}-${random}.part`))).toBe(process.pid);
    expect(await writerOf(join(folder, `a.${dead}.part`))).toBeNull();
    const noProcess = (2 ** 30).toString(36);
    expect(await writerOf(join(folder, `a.${host}-${noProcess}-0-${random}.part`))).toBeNull();
    expect(await writerOf(join(folder, "a.part"))).toBeNull();
  });

  test("on another machine has changed its file within 24 hours", async () => {
    const path = join(folder, `b.${foreign}.part`);
    expect(await writerOf(path)).toBeNull();
    await writeFile(path, "");
    await utimes(path, 1_000_000, 1_000_000);
    const { mtimeMs } = await stat(path);
    for (const [later, writer] of [
      [0, process.pid],
      [86_399_999, process.pid],
      [86_400_000, null],
      [86_400_001, null],
    ] as const) {
      vi.spyOn(Date, "now").mockReturnValue(mtimeMs + later);
      expect(await writerOf(path), `after ${later} ms`).toBe(writer);
    }
    await rm(path);
  });

  test("of a process", () => {
    expect([isAlive(process.pid), isAlive(2 ** 30)]).toEqual([true, false]);
    expect(startOfProcess(2 ** 30)).toBeNull();
  });
});

describe.runIf(existsSync("/proc/self/stat"))("the start of a process", () => {
  test("is field 22 of its stat", () => {
    const after = readFileSync("/proc/self/stat", "utf8")
      .replace(/^.*\) /s, "")
      .split(" ");
    expect(startOfProcess("self")).toBe(Number(after[22 - 3]));
    expect(startOfProcess(process.pid)).toBe(startOfProcess("self"));
  });

  test("is none of one that has ended and is not waited for", async () => {
    const child = spawn("sh", ["-c", "sleep 0.02 & echo $!; exec sleep 20"]);
    try {
      const [line] = await new Promise<string[]>((resolve) => {
        child.stdout.once("data", (data) => resolve(String(data).split("\n")));
      });
      // By then its parent is another program, which does not wait for it.
      while (!readFileSync(`/proc/${line}/stat`, "utf8").includes(") Z ")) await setTimeout(1);
      expect(startOfProcess(Number(line))).toBeNull();
    } finally {
      child.kill();
    }
  });
});

test("leftovers are removed with all that is in them, of inner folders only where asked for", async () => {
  const top = join(folder, "top");
  const inner = join(top, "inner");
  const [a, b] = [`a.${dead}.part`, `b.${dead}.old`];
  const fill = async () => {
    for (const path of [top, inner]) {
      await mkdir(join(path, a), { recursive: true });
      await writeFile(join(path, a, "file"), "");
      await writeFile(join(path, b), "");
      await writeFile(join(path, "own"), "");
    }
  };
  const names = async (path: string) => (await readdir(path)).sort();
  await fill();
  expect(await removeLeftovers(top, { of: "a" })).toEqual([join(top, a)]);
  expect(await names(top)).toEqual([b, "inner", "own"]);
  expect(await removeLeftovers(top)).toEqual([join(top, b)]);
  expect(await names(inner)).toEqual([a, b, "own"]);
  await fill();
  expect((await removeLeftovers(top, { of: "b", recursive: true })).sort()).toEqual(
    [join(top, b), join(inner, b)].sort(),
  );
  expect([await names(top), await names(inner)]).toEqual([
    [a, "inner", "own"],
    [a, "own"],
  ]);
  expect(await removeLeftovers(top, { recursive: true })).toHaveLength(2);
  expect([await names(top), await names(inner)]).toEqual([["inner", "own"], ["own"]]);
});

import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { writeFolder } from "./writeFolder.ts";

test("makes the folder, writes all files, and leaves nothing else behind", async () => {
  const parent = await mkdtemp(join(tmpdir(), "lowrank-"));
  const folder = join(parent, "new");
  try {
    await writeFolder(
      folder,
      new Map<string, string | Uint8Array>([
        ["a.json", "{}"],
        ["sub/b.bin", Uint8Array.of(1, 2)],
      ]),
    );
    expect(await readFile(join(folder, "a.json"), "utf8")).toBe("{}");
    expect(Array.from(await readFile(join(folder, "sub", "b.bin")))).toEqual([1, 2]);

    // "a.json" is a file, so nothing can be written below it: the first file must stay as it was.
    const failing = new Map([
      ["a.json", "[]"],
      ["a.json/c", "x"],
    ]);
    await expect(writeFolder(folder, failing)).rejects.toThrow();
    expect(await readFile(join(folder, "a.json"), "utf8")).toBe("{}");
    expect((await readdir(folder)).sort()).toEqual(["a.json", "sub"]);
  } finally {
    await rm(parent, { recursive: true });
  }
});

test("never mixes two writings: the first file of a folder goes away before the others change", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  const text = (version: string) =>
    new Map(["config.json", "weights.bin", "sub/a", "sub/b"].map((name) => [name, `${name} ${version}`]));
  try {
    await writeFolder(folder, text("1"));
    // A folder at the path of a file makes a rename fail, after the first file was removed.
    await rm(join(folder, "sub/b"));
    await mkdir(join(folder, "sub/b"));
    await expect(writeFolder(folder, text("2"))).rejects.toThrow();
    const at = (name: string) => readFile(join(folder, name), "utf8");
    expect(await at("sub/a")).toBe("sub/a 1");
    expect((await readdir(folder, { recursive: true })).sort()).toEqual([
      ...["config.json", "sub", "sub/a", "sub/b", "weights.bin"],
    ]);
    const versions = await Promise.all(["config.json", "weights.bin"].map(at));
    expect(new Set(versions.map((version) => version.at(-1)))).toHaveProperty("size", 1);
    await rm(join(folder, "sub/b"), { recursive: true });
    await writeFolder(folder, text("3"));
    expect(await at("sub/b")).toBe("sub/b 3");
    expect(await at("config.json")).toBe("config.json 3");
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("writes pieces as they come, and nothing when they fail half way", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  async function* pieces(fail: boolean) {
    yield Uint8Array.of(1, 2);
    yield new Uint8Array(0);
    if (fail) throw new Error("no more");
    yield Uint8Array.of(3);
  }
  try {
    await writeFolder(folder, new Map([["a.bin", pieces(false)]]));
    expect(Array.from(await readFile(join(folder, "a.bin")))).toEqual([1, 2, 3]);
    await expect(writeFolder(folder, new Map([["a.bin", pieces(true)]]))).rejects.toThrow("no more");
    expect(Array.from(await readFile(join(folder, "a.bin")))).toEqual([1, 2, 3]);
    expect(await readdir(folder)).toEqual(["a.bin"]);
  } finally {
    await rm(folder, { recursive: true });
  }
});

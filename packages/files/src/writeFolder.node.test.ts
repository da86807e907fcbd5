import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
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

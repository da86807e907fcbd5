import { afterEach, describe, expect, test, vi } from "vitest";
import type { DirectoryHandle } from "../interface/directoryHandle.ts";
import { filesCases } from "../testing/filesCases.ts";
import { memoryDirectory } from "../testing/memoryDirectory.ts";
import { directoryFiles } from "./directoryFiles.ts";
import { opfsFiles } from "./opfsFiles.ts";

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("the folder that a user picked", () => {
  for (const folder of ["", "a/b"]) {
    for (const { name, run } of filesCases(async () => directoryFiles(memoryDirectory(), folder))) {
      test(`below ${JSON.stringify(folder)} ${name}`, run);
    }
  }

  test("is named with the path below it, which has no ..", async () => {
    const top = memoryDirectory("picked");
    await directoryFiles(top, "./a//b/").write(new Map([["c", "x"]]));
    expect([directoryFiles(top).label, directoryFiles(top, "./a//b/").label]).toEqual([
      ...["folder picked", "folder picked/a/b"],
    ]);
    expect(await directoryFiles(top).list("a/b")).toEqual(["c"]);
    expect(() => directoryFiles(top, "a/../b")).toThrow('a/../b: a browser\'s folders have no "..": give a path below');
    await expect(directoryFiles(top).has("../b")).rejects.toThrow("../b: a browser's folders have no");
  });

  test("passes on errors other than that a file is missing", async () => {
    const getFileHandle = () => Promise.reject(new DOMException("no permission", "NotAllowedError"));
    const files = directoryFiles({ ...memoryDirectory(), getFileHandle });
    await expect(files.has("a")).rejects.toThrow("no permission");
    await expect(files.write(new Map([["a", "x"]]))).rejects.toThrow(
      "folder top: a could not be written: no permission",
    );
  });
});

describe("a folder of the browser's storage", () => {
  /** Gives this process a storage, and locks that are taken if their name is in `taken`. */
  function browser(taken: readonly string[] = []) {
    const top = memoryDirectory();
    const asked: unknown[] = [];
    const request = async (name: string, options: object, work: (lock: object | null) => Promise<unknown>) => {
      asked.push([name, options]);
      return work("ifAvailable" in options && options.ifAvailable && taken.includes(name) ? null : {});
    };
    vi.stubGlobal("navigator", { storage: { getDirectory: async () => top }, locks: { request } });
    return { top, asked };
  }

  const leftovers = ["a.lowrank-part", "b.lowrank-part.crswap"];
  async function fill(top: DirectoryHandle) {
    const run = await top.getDirectoryHandle("run", { create: true });
    for (const name of [...leftovers, "c.part", "d.crswap"]) await run.getFileHandle(name, { create: true });
    await run.getDirectoryHandle("e.lowrank-part", { create: true });
  }

  test("is cleared of temporary files of closed pages before a write", async () => {
    const { top, asked } = browser();
    await fill(top);
    const files = opfsFiles("run");
    expect([files.label, opfsFiles().label]).toEqual(["OPFS folder run", "OPFS folder /"]);
    await files.write(
      new Map([
        ["z/f", "1"],
        ["f", "2"],
      ]),
    );
    expect((await files.list()).sort()).toEqual(["c.part", "d.crswap", "e.lowrank-part/", "f", "z/"]);
    expect([await files.readText("z/f"), await files.readText("f")]).toEqual(["1", "2"]);
    expect(asked).toEqual([
      ["lowrank writes to /run", { ifAvailable: true }],
      ["lowrank writes to /run", { mode: "shared" }],
      ["lowrank writes to /run/z", { ifAvailable: true }],
      ["lowrank writes to /run/z", { mode: "shared" }],
    ]);
  });

  test("keeps the temporary files of a page that writes there", async () => {
    const { top } = browser(["lowrank writes to /run"]);
    await fill(top);
    await opfsFiles("run").write(new Map([["f", "2"]]));
    expect(await opfsFiles("run").list()).toEqual(expect.arrayContaining([...leftovers, "f"]));
  });

  test("is written without locks if the browser has none", async () => {
    const { top } = browser();
    vi.stubGlobal("navigator", { storage: { getDirectory: async () => top } });
    await fill(top);
    await opfsFiles("run").write(new Map([["f", "2"]]));
    expect(await opfsFiles("run").list()).toEqual(expect.arrayContaining([...leftovers, "f"]));
  });
});

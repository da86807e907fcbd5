import { afterAll, afterEach, describe, expect, test } from "vitest";
import { filesCases } from "../testing/filesCases.ts";
import { writeFiles } from "../writing/writeFiles.ts";
import { directoryFiles } from "./directoryFiles.ts";
import { opfsFiles } from "./opfsFiles.ts";

const inBrowser = globalThis.navigator?.storage?.getDirectory !== undefined;
const inWorker = !("document" in globalThis);
const top = `test-opfs-${crypto.randomUUID()}`;
const fresh = () => `${top}/${crypto.randomUUID()}`;

test.skipIf(inBrowser)("(Node alone) there is no OPFS: the error says what to give instead", async () => {
  expect(() => opfsFiles("run")).toThrow('opfsFiles("run"): there is no OPFS here');
});

test("says what is no place to write to", async () => {
  const contents = new Map([["a", "x"]]);
  for (const address of ["https://host/run", new URL("http://host/run"), "hf://org/name"]) {
    await expect(writeFiles(address, contents)).rejects.toThrow(
      `${address} is an address, which cannot be written to;`,
    );
  }
  await expect(writeFiles({ label: "these" } as never, contents)).rejects.toThrow("these cannot be written to; give a");
});

const handle = globalThis.FileSystemFileHandle?.prototype as unknown as Record<string, unknown>;

/** Removes methods that some browsers lack. Returns a function that restores them. */
function without(...names: string[]): () => void {
  const taken = names.map((name) => [name, Object.getOwnPropertyDescriptor(handle, name)!] as const);
  for (const name of names) delete handle[name];
  return () => {
    for (const [name, descriptor] of taken) Object.defineProperty(handle, name, descriptor);
  };
}

/** Makes `move()` fail as it does in the user's own folders. */
function refuseMove(): () => void {
  const move = handle.move;
  handle.move = async () => {
    throw new DOMException("not here", "NotAllowedError");
  };
  return () => {
    handle.move = move;
  };
}

describe.skipIf(!inBrowser)("(browsers alone) OPFS", () => {
  let restore = () => {};
  afterEach(() => {
    restore();
    restore = () => {};
  });
  afterAll(async () => (await navigator.storage.getDirectory()).removeEntry(top, { recursive: true }));

  const empty = async () => opfsFiles(fresh());
  // Without createWritable, pages cannot write.
  const optional = inWorker ? ["move", "createWritable", "createSyncAccessHandle"] : ["move"];
  const variants = new Map([
    ["", () => () => {}],
    ["where move() is refused: ", refuseMove],
    ...optional.map((name) => [`without ${name}(): `, () => without(name)] as const),
  ]);
  for (const { name, run } of inBrowser ? filesCases(empty) : []) {
    for (const [variant, change] of variants) {
      test(`${variant}${name}`, () => {
        restore = change();
        return run();
      });
    }
  }

  test("is shared by all that name the folder, in handles too", async () => {
    const folder = fresh();
    const files = opfsFiles(folder);
    await files.write(new Map([["run/a", "x"]]));
    expect(await opfsFiles(`/${folder}/run/`).readText("a")).toBe("x");
    const root = await navigator.storage.getDirectory();
    expect(await directoryFiles(root, `./${folder}`).readText("run/a")).toBe("x");
    const picked = directoryFiles(await root.getDirectoryHandle(top), folder.slice(top.length + 1));
    expect(picked.label).toBe(`folder ${folder}`);
    expect(await picked.list()).toEqual(["run/"]);
    await expect(opfsFiles("a").has("../b")).rejects.toThrow('../b: a browser\'s folders have no ".."');
  });

  test("makes no folder by looking, and no file where a folder stands", async () => {
    const files = opfsFiles(fresh());
    expect(await files.list()).toEqual([]);
    const root = await navigator.storage.getDirectory();
    expect(await directoryFiles(root, top).list()).not.toContain(`${files.label.split("/").at(-1)}/`);
    await files.write(new Map([["a", "old"]]));
    const failing = new Map([
      ["a", "new"],
      ["a/b", "x"],
    ]);
    await expect(files.write(failing)).rejects.toThrow(`${files.label}: a/b could not be written:`);
    expect(await files.readText("a")).toBe("old");
    expect(await files.list()).toEqual(["a"]);
  });

  test("a page that dies between two files leaves whole ones alone, and is cleared up by the next", async () => {
    const files = opfsFiles(fresh());
    await files.write(new Map([["a", "old"]]));
    const move = handle.move as (name: string) => Promise<void>;
    let moves = 0;
    restore = () => {
      handle.move = move;
    };
    const both = new Map([
      ["a", "new"],
      ["b", "new"],
    ]);
    await new Promise<void>((died) => {
      handle.move = function (name: string) {
        if (moves++ === 0) return move.call(this, name);
        died();
        return new Promise(() => {});
      };
      void files.write(both);
    });
    restore();
    expect(await files.readText("a")).toBe("new");
    expect((await files.list()).sort()).toEqual(["a", "b.lowrank-part"]);
    await files.write(both);
    expect((await files.list()).sort()).toEqual(["a", "b"]);
  });

  test("removes temporary files of closed pages, and keeps files of a writing page and of the user", async () => {
    const path = fresh();
    const files = opfsFiles(path);
    await files.write(new Map([["in/a", "1"]]));
    let folder = await navigator.storage.getDirectory();
    for (const name of [...path.split("/"), "in"]) folder = await folder.getDirectoryHandle(name);
    const left = ["b.lowrank-part", "b.lowrank-part.crswap", "notes.part"];
    for (const name of left) await folder.getFileHandle(name, { create: true });
    const stays = async () => (await files.list("in")).filter((name) => !name.startsWith("d.lowrank-part.")).sort();
    async function* pieces() {
      await files.write(new Map([["in/c", "1"]]));
      expect(await stays()).toEqual(["a", "c", "d.lowrank-part", "notes.part"]);
      yield Uint8Array.of(1);
    }
    await files.write(new Map([["in/d", pieces()]]));
    expect(await stays()).toEqual(["a", "c", "d", "notes.part"]);
  });

  test("says so where the browser cannot keep files whole", async () => {
    restore = without("move", "createWritable");
    const message = inWorker
      ? "a could not be written: this browser can neither move files in this folder nor replace them atomically"
      : "a could not be written: this browser can write files only in Web Workers; run the engine in a Worker, as lowrank/worker does";
    const files = opfsFiles(fresh());
    await expect(files.write(new Map([["a", "x"]]))).rejects.toThrow(message);
    expect(await files.list()).toEqual([]);
  });
});

import { expect } from "vitest";
import { type FileContent, filesIn, type WritableFiles } from "../interface/modelFiles.ts";

/** A check that every implementation of `WritableFiles` must pass. */
interface FilesCase {
  readonly name: string;
  run(): Promise<void>;
}

const bytes = Uint8Array.from({ length: 100 }, (_, i) => i);
const contents = (...entries: [string, FileContent][]): ReadonlyMap<string, FileContent> => new Map(entries);

async function* inPieces(fail = false): AsyncGenerator<Uint8Array> {
  yield bytes.subarray(0, 40);
  yield new Uint8Array(0);
  if (fail) throw new Error("no more");
  yield bytes.subarray(40);
}

/** Reads a whole file. */
async function readAll(files: WritableFiles, name: string): Promise<number[]> {
  const source = await files.open(name);
  return Array.from(await source.read(0, source.size));
}

/** Returns the checks of an implementation of `WritableFiles`. `empty` creates one without files. */
export function filesCases(empty: () => Promise<WritableFiles>): FilesCase[] {
  return [
    {
      name: "holds nothing at first",
      run: async () => {
        const files = await empty();
        expect(await files.list()).toEqual([]);
        expect(await files.list("run")).toEqual([]);
        expect([await files.has("a"), await files.has("run/a")]).toEqual([false, false]);
        await expect(files.open("a")).rejects.toThrow(`${files.label} has no a (it holds nothing)`);
      },
    },
    {
      name: "removes a folder with all that is in it, and none that is not there",
      run: async () => {
        const files = await empty();
        await files.write(contents(["run/a", "1"], ["run/in/b", "2"], ["run-2/a", "3"]));
        await files.removeFolder!("run");
        await files.removeFolder!("none/at/all");
        expect(await files.list()).toEqual(["run-2/"]);
        expect([await files.has("run/in/b"), await files.has("run-2/a")]).toEqual([false, true]);
      },
    },
    {
      name: "reads what it wrote, text and bytes, whole and in parts",
      run: async () => {
        const files = await empty();
        await files.write(contents(["a.json", '"é"'], ["b.bin", bytes], ["c.bin", inPieces()]));
        expect(await files.readText("a.json")).toBe('"é"');
        expect((await files.open("a.json")).size).toBe(4);
        const source = await files.open("b.bin");
        expect(source.size).toBe(100);
        expect(Array.from(await source.read(97, 3))).toEqual([97, 98, 99]);
        const room = new Uint8Array(3);
        await source.readInto?.(40, room.subarray(1));
        if (source.readInto) expect(Array.from(room)).toEqual([0, 40, 41]);
        expect(await readAll(files, "c.bin")).toEqual(Array.from(bytes));
        expect((await files.list()).sort()).toEqual(["a.json", "b.bin", "c.bin"]);
      },
    },
    {
      name: "keeps its own bytes, also those of memory that threads share",
      run: async () => {
        const files = await empty();
        const own = bytes.slice();
        const shares = typeof SharedArrayBuffer !== "undefined";
        const shared = new Uint8Array(shares ? new SharedArrayBuffer(3) : new ArrayBuffer(3)).fill(7);
        await files.write(contents(["a", own.subarray(10, 13)], ["shared", shared]));
        own.fill(0);
        shared.fill(0);
        expect(await readAll(files, "a")).toEqual([10, 11, 12]);
        expect(await readAll(files, "shared")).toEqual([7, 7, 7]);
      },
    },
    {
      name: "has folders, and says what they hold",
      run: async () => {
        const files = await empty();
        await files.write(contents(["top", "x"], ["run/a", "1"], ["run/deep/b", "2"]));
        expect((await files.list()).sort()).toEqual(["run/", "top"]);
        expect((await files.list("run")).sort()).toEqual(["a", "deep/"]);
        expect(await files.list("other")).toEqual([]);
        expect([await files.has("run"), await files.has("top/a"), await files.has("run/a")]).toEqual([
          false,
          false,
          true,
        ]);
        await expect(files.readText("run/c")).rejects.toThrow(`${files.label} has no run/c (run holds a, deep/)`);
        const run = filesIn(files, "run");
        expect(await run.readText("deep/b")).toBe("2");
        expect(await run.list?.()).toEqual(await files.list("run"));
        expect(await run.list?.("deep")).toEqual(["b"]);
        await expect(run.open("c")).rejects.toThrow(`${files.label} has no run/c`);
      },
    },
    {
      name: "writes again over what is there",
      run: async () => {
        const files = await empty();
        await files.write(contents(["a", bytes]));
        const before = await files.readText("a");
        await files.write(contents(["a", "short"]));
        expect(before.length).toBe(100);
        expect(await files.readText("a")).toBe("short");
        expect(await files.list()).toEqual(["a"]);
      },
    },
    {
      name: "writes nothing at all where one file fails half way",
      run: async () => {
        const files = await empty();
        await files.write(contents(["a", "old"]));
        const failing = contents(["a", "new"], ["b", inPieces(true)]);
        await expect(files.write(failing)).rejects.toThrow("no more");
        expect(await files.readText("a")).toBe("old");
        expect(await files.list()).toEqual(["a"]);
      },
    },
  ];
}

import { describe, expect, test } from "vitest";
import { partEnding, replaceFile, writeHandle } from "../disk/writeHandle.ts";
import { memoryFiles } from "../places/memoryFiles.ts";
import { missingFile, readJson } from "./modelFiles.ts";

describe("a JSON file", () => {
  const read = (text: string) => readJson(memoryFiles({ "a.json": text }), "a.json");
  const nested = (depth: number, [open, close]: string) => open.repeat(depth) + close.repeat(depth);

  test("may be nested 1000 deep, one value after the other", async () => {
    expect(JSON.stringify(await read(nested(1000, "[]")))).toBe(nested(1000, "[]"));
    await expect(read(nested(1001, "[]"))).rejects.toThrow("a.json is nested more than 1000 deep");
    const records = (depth: number) => `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
    expect(JSON.stringify(await read(records(1000)))).toBe(records(1000));
    await expect(read(records(1001))).rejects.toThrow("nested more than 1000 deep");
    const many = `[${Array.from({ length: 1200 }, () => '[{"b":[]}]').join()}]`;
    expect(await read(many)).toHaveLength(1200);
  });

  test("that is no JSON is not called nested, unless it is", async () => {
    for (const text of ["z".repeat(2000), "Z".repeat(2000)]) {
      await expect(read(text)).rejects.toThrow("a.json is not valid JSON");
    }
    await expect(read(`${"|".repeat(9)}${"[".repeat(1001)}`)).rejects.toThrow("nested more than 1000 deep");
    await expect(read('"\\')).rejects.toThrow("a.json is not valid JSON");
  });

  test("may have any number of brackets in its texts", async () => {
    const brackets = "[{".repeat(1200);
    for (const value of [brackets, `"${brackets}`, `\\${brackets}`, `\\"${brackets}\\`, `${brackets}"`]) {
      expect(await read(JSON.stringify([value, { [value]: value }]))).toEqual([value, { [value]: value }]);
    }
    const deep = `["a\\"]", "\\\\", ${nested(1000, "[]")}]`;
    await expect(read(deep)).rejects.toThrow("nested more than 1000 deep");
    await expect(read(`["a`)).rejects.toThrow("the files in memory: a.json is not valid JSON");
    await expect(read(`["a\\`)).rejects.toThrow("a.json is not valid JSON");
  });
});

test("a missing file's error names what is there, in its folder", async () => {
  const files = memoryFiles({ b: "", a: "", "x/c": "", "x/y/d": "", "m.GGUF": "" });
  const told = async (name: string, place: Parameters<typeof missingFile>[0] = files) =>
    (await missingFile(place, name)).message;
  expect(await told("z")).toBe("the files in memory has no z (it holds a, b, m.GGUF, x/)");
  expect(await told("x/z")).toBe("the files in memory has no x/z (x holds c, y/)");
  expect(await told("x/y/z")).toBe("the files in memory has no x/y/z (x/y holds d)");
  expect(await told("w/z")).toBe("the files in memory has no w/z (w holds nothing)");
  expect(await told("/z")).toContain("has no /z (it holds a, b");
  expect(await told("z.safetensors")).toBe(
    "the files in memory has no z.safetensors (it holds a, b, m.GGUF, x/); to load a GGUF file give its own path, which ends in m.GGUF",
  );
  expect(await told("x/z.safetensors")).not.toContain("GGUF");
  expect(await told("z", { ...files, list: undefined })).toBe("the files in memory has no z");
});

describe("a file of a browser's folder", () => {
  /** Returns a folder in memory. `kinds` selects the ways in which its files can be moved or written. */
  function folderOf(
    given: Record<string, string>,
    kinds: { move?: boolean | "refused"; writes?: boolean | "fails" } = {},
  ) {
    const { move = false, writes = true } = kinds;
    const files = new Map(Object.entries(given));
    const log: string[] = [];
    const handleOf = (name: string) => ({
      getFile: async () => new Blob([files.get(name) as string]),
      ...(move !== false && {
        move: async (to: string) => {
          if (move === "refused") throw new Error("refused");
          files.set(to, files.get(name) as string);
          files.delete(name);
        },
      }),
      ...(writes !== false && {
        createWritable: async () => {
          const parts: Uint8Array[] = [];
          return {
            write: async (part: Uint8Array) => {
              if (writes === "fails") throw new Error("no room");
              parts.push(part);
            },
            abort: async () => void log.push("abort"),
            close: async () => {
              log.push("close");
              files.set(name, await new Blob(parts as BlobPart[]).text());
            },
          };
        },
      }),
    });
    const directory = {
      getFileHandle: async (name: string, options?: { create?: boolean }) => {
        if (!files.has(name) && options?.create) files.set(name, "");
        if (!files.has(name)) throw new DOMException("missing", "NotFoundError");
        return handleOf(name);
      },
      removeEntry: async (name: string) => void files.delete(name),
      entries: async function* () {
        for (const name of files.keys()) yield [name, handleOf(name)];
      },
    };
    const replace = (name: string) => replaceFile({ directory: directory as never, name });
    return { replace, files: () => Object.fromEntries(files), log, handleOf };
  }
  const part = `a${partEnding}`;

  test("is moved to its name, or copied where it cannot be", async () => {
    for (const move of [true, "refused", false] as const) {
      for (const given of [{}, { a: "old" }]) {
        const { replace, files } = folderOf({ ...given, [part]: "new" } as Record<string, string>, { move });
        await replace("a");
        expect(files()).toEqual({ a: "new" });
      }
    }
  });

  test("that cannot be replaced stays as it was, and a new one is not there", async () => {
    for (const writes of [false, "fails"] as const) {
      const message = writes
        ? "no room"
        : "this browser can neither move files in this folder nor replace them atomically";
      const kept = folderOf({ a: "old", [part]: "new" }, { writes });
      await expect(kept.replace("a")).rejects.toThrow(message);
      expect(kept.files()).toEqual({ a: "old", [part]: "new" });
      const none = folderOf({ b: "", [part]: "new" }, { writes });
      await expect(none.replace("a")).rejects.toThrow(message);
      expect(none.files()).toEqual({ b: "", [part]: "new" });
    }
  });

  test("takes texts, bytes, shared bytes and pieces", async () => {
    // Pages that are not cross-origin isolated have no shared memory.
    const Memory = globalThis.SharedArrayBuffer ?? ArrayBuffer;
    const shared = new Uint8Array(new Memory(2));
    shared.set([104, 105]);
    async function* pieces() {
      yield shared;
      yield Uint8Array.of(33);
    }
    for (const [content, text] of [
      ["é", "é"],
      [Uint8Array.of(97, 98), "ab"],
      [shared, "hi"],
      [pieces(), "hi!"],
    ] as const) {
      const { handleOf, files, log } = folderOf({});
      await writeHandle(handleOf("a") as never, content);
      expect([files(), log]).toEqual([{ a: text }, ["close"]]);
    }
    const { handleOf, log } = folderOf({}, { writes: "fails" });
    await expect(writeHandle(handleOf("a") as never, "x")).rejects.toThrow("no room");
    expect(log).toEqual(["abort"]);
  });

  test("is written by a worker's handle, in as many writings as it takes", async () => {
    const log: unknown[] = [];
    const bytes: number[] = [9, 9, 9];
    const access = {
      truncate: (size: number) => {
        bytes.length = size;
      },
      // Writes only two bytes per call.
      write: (piece: Uint8Array, { at }: { at: number }) => {
        const taken = piece.subarray(0, 2);
        for (const [i, byte] of taken.entries()) bytes[at + i] = byte;
        return taken.length;
      },
      flush: () => log.push("flush"),
      close: () => log.push("close"),
    };
    async function* pieces() {
      yield Uint8Array.of(1, 2, 3);
      yield Uint8Array.of();
      yield Uint8Array.of(4, 5);
    }
    await writeHandle({ createSyncAccessHandle: async () => access } as never, pieces());
    expect([bytes, log]).toEqual([
      [1, 2, 3, 4, 5],
      ["flush", "close"],
    ]);
    await expect(writeHandle({} as never, "x")).rejects.toThrow(
      "this browser can write files only in Web Workers; run the engine in a Worker, as lowrank/worker does",
    );
  });
});

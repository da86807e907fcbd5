import { describe, expect, test } from "vitest";
import { InterruptedBody } from "../sources/interruptedBody.ts";
import { download, type PartialFile } from "./download.ts";
import type { Bringing, HubFile } from "./hubStore.ts";

const file: HubFile = { path: "model.bin", size: 10, etag: "abc" };

/** Pieces of one attempt, and the error at its end. */
type Attempt = { readonly pieces: readonly (readonly [position: number, length: number])[]; readonly error?: Error };
const broken = new InterruptedBody("reset");

/** Downloads a file of 10 bytes after `stored` bytes. Returns what happened. */
async function run(attempts: readonly Attempt[], stored = 0, signal?: AbortSignal) {
  const log: string[] = [];
  const asked: number[] = [];
  const loads: number[] = [];
  let length = stored;
  const part: PartialFile = {
    get length() {
      return length;
    },
    write: async (position, bytes) => {
      length = Math.max(length, position + bytes.length);
    },
    keep: async () => void log.push("keep"),
    discard: async () => void log.push("discard"),
    finish: async () => void log.push("finish"),
  };
  const left = [...attempts];
  const read = async function* (_: string, __: HubFile, from: number) {
    asked.push(from);
    const { pieces, error } = left.shift() ?? { pieces: [] };
    for (const [position, count] of pieces) yield { position, bytes: new Uint8Array(count) };
    if (error) throw error;
  };
  const from = {
    ...{ client: async () => ({ read }), label: "hf://a/b", signal },
    onProgress: ({ loaded }: { loaded: number }) => loads.push(loaded),
  } as unknown as Bringing;
  const message = await download(part, "c", file, from).then(
    () => null,
    (error: Error) => error.message,
  );
  return { log, asked, loads, message };
}

const of = (...pieces: [number, number][]): Attempt => ({ pieces });
const cut = (...pieces: [number, number][]): Attempt => ({ pieces, error: broken });

describe("a download", () => {
  test("finishes when all bytes came, after those that were stored", async () => {
    expect(await run([of([0, 4], [4, 6])])).toEqual({ log: ["finish"], asked: [0], loads: [0, 4, 10], message: null });
    expect(await run([of([7, 3])], 7)).toEqual({ log: ["finish"], asked: [7], loads: [7, 10], message: null });
    expect(await run([], 10)).toEqual({ log: ["finish"], asked: [], loads: [10], message: null });
    // A server without ranges sends the file from its start.
    expect(await run([of([0, 4], [4, 6])], 7)).toMatchObject({ log: ["finish"], message: null });
  });

  test.each<[string, Attempt[], number, number]>([
    ["stored bytes", [], 11, 11],
    ["a piece", [of([0, 11])], 0, 11],
    ["a later piece", [of([0, 8], [8, 3])], 0, 11],
  ])("with more bytes than the hub listed keeps nothing: %s", async (_, attempts, stored, came) => {
    const { log, loads, message } = await run(attempts, stored);
    expect(log).toEqual(["discard"]);
    expect(loads.filter((loaded) => loaded > 10)).toEqual([]);
    expect(message).toBe(`hf://a/b: the hub says that model.bin has 10 bytes, and ${came} came; nothing was kept`);
  });

  test("with fewer bytes keeps nothing", async () => {
    expect(await run([of([0, 9])])).toMatchObject({ log: ["discard"], message: expect.stringContaining("and 9 came") });
  });

  test("that breaks off goes on, until three attempts in a row bring no bytes", async () => {
    expect(await run([cut([0, 3]), cut(), cut(), of([3, 7])])).toMatchObject({
      ...{ log: ["finish"], asked: [0, 3, 3, 3], message: null },
    });
    const fruitless = await run([cut(), cut(), cut([0, 2]), cut(), cut(), cut(), of([2, 8])]);
    expect(fruitless).toMatchObject({ log: ["keep"], asked: [0, 0, 0, 2, 2, 2] });
    expect(fruitless.message).toBe(
      `hf://a/b: model.bin broke off after 2 of 10 bytes (${broken.message}); the bytes are kept: load again to resume`,
    );
    // Bytes that were stored before are not new ones.
    expect(await run([cut([0, 2]), cut([0, 2]), cut([0, 1]), cut()], 2)).toMatchObject({
      log: ["keep"],
      asked: [2, 2, 2],
    });
  });

  test("keeps its bytes for other failures and for an abort", async () => {
    const failed = await run([{ pieces: [[0, 3]], error: new Error("refused") }, of([3, 7])]);
    expect(failed).toEqual({ log: ["keep"], asked: [0], loads: [0, 3], message: "refused" });
    expect(await run([of([0, 3], [3, 7])], 0, AbortSignal.abort(new Error("stop")))).toMatchObject({
      ...{ log: ["keep"], loads: [0], message: "stop" },
    });
  });
});

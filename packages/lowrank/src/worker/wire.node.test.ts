import { describe, expect, test, vi } from "vitest";
import { openPlace, openStorage } from "./place.ts";
import { placeOf, storageOf } from "./remoteSource.ts";
import { serve } from "./serve.ts";
import { checkCrosses, sendOptions, withOptions } from "./wire.ts";

describe("values that are sent to a Worker", () => {
  test.each<[string, unknown]>([
    ["numbers, texts and nothing", [1, "a", null, undefined, true]],
    ["plain objects", { a: { b: [new Uint8Array(2)] }, c: Object.create(null) }],
    ["maps, sets, dates, bytes and Blobs", [new Map(), new Set(), new Date(), new ArrayBuffer(1), new Blob([])]],
  ])("may be %s", (_, value) => {
    expect(() => checkCrosses("it", value)).not.toThrow();
  });

  class Sgd {}
  test.each<[unknown, string]>([
    [() => 1, "it is a function, which cannot be sent"],
    [{ a: { b: () => 1 } }, "it.a.b is a function"],
    [[1, () => 1], "it[1] is a function"],
    [[0, [new Sgd()]], "it[1][0] is a Sgd, whose methods cannot be sent to the Worker"],
    [{ a: new Sgd() }, "it.a is a Sgd"],
  ])("may not have methods: %#", (value, message) => {
    expect(() => checkCrosses("it", value)).toThrow(message);
  });
});

describe("options of a call", () => {
  test("are data, callbacks and a signal", async () => {
    const seen: unknown[] = [];
    const onStep = vi.fn(async () => "done");
    const stop = new AbortController();
    const { wire, end } = sendOptions("train", { steps: 3, onStep, signal: stop.signal }, ["onStep"]);
    expect([wire.plain, wire.aborted, wire.callbacks.map(([name]) => name)]).toEqual([
      ...[{ steps: 3 }, undefined, ["onStep"]],
    ]);
    type Options = { steps: number; onStep(step: number): Promise<string> };
    const result = await withOptions<Options, number>(wire, async ({ signal, steps, onStep }) => {
      seen.push(steps, await onStep(1), signal.aborted);
      const aborted = new Promise((resolve) => signal.addEventListener("abort", resolve));
      stop.abort("enough");
      await aborted;
      seen.push(signal.reason);
      return 7;
    });
    end();
    expect([result, seen, onStep.mock.calls]).toEqual([7, [3, "done", false, "enough"], [[1]]]);
    expect(() => sendOptions("train", { onStep }, [])).toThrow("train: onStep is a function");
  });

  test("have the reason of a signal that has aborted before", async () => {
    const { wire } = sendOptions("train", { signal: AbortSignal.abort("early") });
    expect([wire.aborted, wire.signal]).toEqual([{ reason: "early" }, undefined]);
    expect(await withOptions(wire, async ({ signal }) => signal.reason)).toBe("early");
    expect(sendOptions("train", {}).wire).toEqual({ plain: {}, callbacks: [], signal: undefined, aborted: undefined });
  });

  test("whose callback throws end the call with its error", async () => {
    const onStep = () => {
      throw new RangeError("no more");
    };
    const { wire, end } = sendOptions("train", { onStep }, ["onStep"]);
    const call = withOptions<{ onStep(): Promise<void> }, string>(wire, async ({ signal, onStep }) => {
      await onStep().catch(() => undefined);
      return `aborted: ${signal.aborted}`;
    });
    await expect(call).rejects.toThrow("no more");
    end();
  });
});

describe("places of files", () => {
  test("are addresses, folders, one file, or files by name", async () => {
    const blob = new Blob(["x"]);
    expect(openPlace(blob)).toBe(blob);
    for (const path of ["/models/a", "https://host/a.GGUF", "http://host/b.gguf?x=1", "hf://org/name"]) {
      expect(openPlace(path)).toBe(path);
    }
    expect(openPlace("https://host/a")).toMatchObject({ label: "https://host/a/" });
    expect(openPlace({ a: "x" })).toMatchObject({ label: "the files in memory" });
    // Files by name may have the name "opfs", and be several.
    expect(() => openPlace({ opfs: "run" })).toThrow('opfsFiles("run")');
    expect(openPlace({ opfs: new Uint8Array(1) })).toMatchObject({ label: "the files in memory" });
    expect(openPlace({ opfs: "run", other: "x" })).toMatchObject({ label: "the files in memory" });
    expect(openPlace({})).toMatchObject({ label: "the files in memory" });
    expect(openPlace({ kind: "directory", name: "picked" } as never)).toMatchObject({ label: "folder picked" });
    expect(openStorage("/runs")).toBe("/runs");
    expect(openStorage({ kind: "directory", name: "picked" } as never)).toMatchObject({ label: "folder picked" });
  });

  test("have absolute addresses, relative to the page, or paths outside of one", () => {
    expect(placeOf("loadModel", "models/a")).toBe("models/a");
    expect(placeOf("loadModel", new URL("file:///models/a%20b"))).toBe("/models/a b");
    expect(placeOf("loadModel", new URL("https://host/a%20b"))).toBe("https://host/a%20b");
    const files = { a: "x" };
    expect(placeOf("loadModel", files)).toBe(files);
    expect(() => placeOf("loadModel", { a: () => 1 } as never)).toThrow("loadModel: the source.a is a function");
    expect([storageOf("train", "/runs"), storageOf("train", new URL("file:///runs"))]).toEqual(["/runs", "/runs"]);
    const folder = { opfs: "run" };
    expect(storageOf("train", folder)).toBe(folder);
    vi.stubGlobal("location", { href: "https://page/app/" });
    try {
      expect(placeOf("loadModel", "models/a")).toBe("https://page/app/models/a");
      expect(placeOf("loadModel", new URL("https://host/a"))).toBe("https://host/a");
      expect(() => storageOf("train", "runs")).toThrow(
        "train: runs is a path or an address, which a page cannot write",
      );
    } finally {
      vi.unstubAllGlobals();
    }
  });
});

test("a page is no Worker", () => {
  vi.stubGlobal("document", {});
  try {
    expect(() => serve()).toThrow(
      "serve: this code does not run in a Worker; call it in the script that new Worker(...) starts",
    );
  } finally {
    vi.unstubAllGlobals();
  }
});

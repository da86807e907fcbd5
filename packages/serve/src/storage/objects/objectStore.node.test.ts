import { createHash } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { S3Server } from "../../adapters/testing/s3Server.ts";
import { folderPlace } from "../folderPlace.ts";
import { s3Place } from "../s3Place.ts";
import type { ObjectStore } from "./objectStore.ts";
import { storeFiles } from "./storeFiles.ts";

let folder: string;
let server: S3Server;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-objects-"));
  server = await S3Server.start();
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await server[Symbol.asyncDispose]();
});

const stores: Readonly<Record<string, () => ObjectStore>> = {
  "a folder": () => folderPlace(folder),
  "a bucket": () => s3Place({ ...server.place, prefix: "some/where" }),
};

const text = async (store: ObjectStore, key: string) => {
  const bytes = await store.get(key);
  return bytes && new TextDecoder().decode(bytes);
};

describe.each(Object.entries(stores))("%s", (_, open) => {
  it("keeps objects by key", async () => {
    const store = open();
    expect(await store.get("a/x")).toBeNull();
    await store.put("a/x", "first");
    await store.put("a/b/y", new Uint8Array([1, 2, 3]));
    await store.put("a/x", "second");
    await store.put("ab", "");
    expect(await text(store, "a/x")).toBe("second");
    expect(await store.list("a/")).toEqual([
      { key: "a/b/y", size: 3 },
      { key: "a/x", size: 6 },
    ]);
    expect(await store.list("none/")).toEqual([]);
    await store.remove("a/x");
    await store.remove("a/x");
    expect(await store.get("a/x")).toBeNull();
  });

  it("of two that make an object one does", async () => {
    const store = open();
    const made = await Promise.all(["one", "two", "three"].map((name) => store.create("once", name)));
    expect(made.filter((wrote) => wrote).length).toBe(1);
    expect(await text(store, "once")).toBe(["one", "two", "three"][made.indexOf(true)]);
  });

  it("takes and gives large objects piece by piece, whole or not at all", async () => {
    const store = open();
    const pieces = Array.from({ length: 31 }, (_, i) => new Uint8Array(300_000).fill(i));
    const given = async function* () {
      yield* pieces;
    };
    await store.put("large", given());
    const [read, written] = [createHash("sha256"), createHash("sha256")];
    let most = 0;
    for await (const piece of store.stream("large")) {
      read.update(piece);
      most = Math.max(most, piece.length);
    }
    for (const piece of pieces) written.update(piece);
    expect(read.digest("hex")).toBe(written.digest("hex"));
    expect(most).toBeLessThanOrEqual(8 << 20);
    const broken = async function* () {
      yield* pieces;
      throw new Error("the client has gone");
    };
    await expect(store.put("broken", broken())).rejects.toThrow("the client has gone");
    expect(await store.get("broken")).toBeNull();
    expect((await store.list("")).map(({ key }) => key)).not.toContain("broken");
    await store.put("empty", (async function* () {})());
    expect(await text(store, "empty")).toBe("");
  });

  it("serves as files, which a trainer writes checkpoints to", async () => {
    const files = storeFiles(open(), "run");
    await files.write(
      new Map<string, Uint8Array | string>([
        ["checkpoint-8/a.json", "{}"],
        ["checkpoint-8/b", new Uint8Array(5)],
        ["c", "text"],
      ]),
    );
    expect((await files.list()).sort()).toEqual(["c", "checkpoint-8/"]);
    expect((await files.list("checkpoint-8")).sort()).toEqual(["a.json", "b"]);
    expect([await files.has("c"), await files.has("d")]).toEqual([true, false]);
    expect((await (await files.open("checkpoint-8/b")).read(0, 5)).length).toBe(5);
    await files.removeFolder?.("checkpoint-8");
    expect(await files.list()).toEqual(["c"]);
    await expect(files.readText("d")).rejects.toThrow("has no d (it holds c)");
  });
});

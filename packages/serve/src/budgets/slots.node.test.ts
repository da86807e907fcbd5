import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { S3Server } from "../adapters/testing/s3Server.ts";
import { folderPlace } from "../storage/folderPlace.ts";
import type { ObjectStore } from "../storage/objects/objectStore.ts";
import { s3Place } from "../storage/s3Place.ts";
import { Slots } from "./slots.ts";

let folder: string;
let server: S3Server;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-slots-"));
  server = await S3Server.start();
});
afterAll(async () => {
  await rm(folder, { recursive: true });
  await server[Symbol.asyncDispose]();
});

const stores: Readonly<Record<string, () => ObjectStore>> = {
  "a folder": () => folderPlace(folder),
  "a bucket": () => s3Place(server.place),
};

describe.each(Object.entries(stores))("%s", (_, open) => {
  /** Creates the slots of two servers on one store. Holders in `alive` exist. */
  const servers = (alive: Set<string>) => {
    const start = `${crypto.randomUUID()}/`;
    return [open(), open()].map((store) => new Slots(store, start, async ({ id }) => alive.has(id)));
  };

  test("two servers that take 16 slots at once with a limit of 3 get 3", async () => {
    const ids = Array.from({ length: 16 }, (_, i) => `j${i}`);
    const both = servers(new Set(ids));
    const taken = await Promise.all(ids.map((id, i) => both[i % 2].take(3, id)));
    const slots = taken.filter((slot) => slot !== null);
    expect(slots.length).toBe(3);
    expect(new Set(slots.map(({ key }) => key)).size).toBe(3);
    expect(await both[0].count()).toBe(3);
    await slots[0].release();
    const again = await Promise.all(ids.map((id, i) => both[i % 2].take(3, id)));
    expect(again.filter((slot) => slot !== null).length).toBe(1);
  });

  test("slots of a killed server are taken over, each once", async () => {
    const alive = new Set(["old0", "old1", "old2"]);
    const both = servers(alive);
    for (const id of alive) expect(await both[0].take(3, id)).not.toBeNull();
    for (let round = 0; round < 5; round++) {
      expect(await both[0].take(3, "more")).toBeNull();
      alive.clear();
      const ids = Array.from({ length: 12 }, (_, i) => `new${round}.${i}`);
      for (const id of ids) alive.add(id);
      const taken = await Promise.all(ids.map((id, i) => both[i % 2].take(3, id)));
      expect(taken.filter((slot) => slot !== null).length).toBe(3);
      expect(await both[1].count()).toBe(3);
    }
  });

  test("a lower limit counts the slots that are held beyond it", async () => {
    const alive = new Set(["a", "b", "c", "d"]);
    const [slots] = servers(alive);
    for (const id of ["a", "b", "c"]) await slots.take(5, id);
    expect(await slots.take(2, "d")).toBeNull();
    alive.delete("b");
    alive.delete("c");
    expect(await slots.take(2, "d")).not.toBeNull();
  });

  test("a holder that is reopened holds one slot", async () => {
    const alive = new Set(["a"]);
    const [slots] = servers(alive);
    await slots.take(3, "a");
    expect((await slots.take(3, "a", { reopens: true }))?.key).toBeDefined();
    expect(await slots.count()).toBe(1);
  });

  test("only its holder releases a slot", async () => {
    const [slots] = servers(new Set(["a", "b"]));
    const first = await slots.take(1, "a");
    await slots.release(first?.key as string, "b");
    expect(await slots.take(1, "b")).toBeNull();
    await first?.release();
    expect(await slots.take(1, "b")).not.toBeNull();
  });
});

import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../access/testing/memoryStore.ts";
import { Slots } from "./slots.ts";

let random: ReturnType<typeof vi.spyOn>;
let store: MemoryStore;
const alive = new Set<string>();
beforeEach(() => {
  random = vi.spyOn(Math, "random").mockReturnValue(0);
  store = new MemoryStore();
  alive.clear();
  for (const id of "abcdefgh") alive.add(id);
});
afterEach(() => random.mockRestore());

const slotsOf = (objects = store.objects) => new Slots(objects, "s/", async ({ id }) => alive.has(id));
const key = (index: number, generation = 0) => `s/00000${index}/00000${generation}`;
const hold = (index: number, id: string, generation = 0) => {
  store.write(key(index, generation), JSON.stringify({ id, at: 0 }));
};

test("a slot is one of the first eight free ones", async () => {
  expect((await slotsOf().take(100, "a"))?.key).toBe(key(0));
  random.mockReturnValue(0.999);
  // Nine slots are looked at, and one is taken.
  expect((await slotsOf().take(100, "b"))?.key).toBe(key(8));
  random.mockReturnValue(0.5);
  expect((await slotsOf().take(3, "c"))?.key).toBe(key(2));
  expect([...store.files.keys()].sort()).toEqual([key(0), key(2), key(8)]);
});

test("slots whose holders exist are counted", async () => {
  for (const [index, id] of ["a", "b", "gone"].entries()) hold(index, id);
  expect(await slotsOf().count()).toBe(2);
  store.write("s/strange", "{}");
  expect(await slotsOf().count()).toBe(2);
});

test("a holder may hold several slots; if it is reopened, it keeps the new one", async () => {
  const slots = slotsOf();
  for (const _ of [1, 2]) await slots.take(5, "a");
  expect(await slots.count()).toBe(2);
  const slot = await slots.take(5, "a", { reopens: true });
  expect([...store.files.keys()]).toEqual([slot?.key]);
});

describe("an abandoned slot", () => {
  test("is taken over by its next generation", async () => {
    hold(0, "gone");
    hold(1, "a");
    const slot = await slotsOf().take(2, "b");
    expect(slot?.key).toBe(key(0, 1));
    expect([...store.files.keys()].sort()).toEqual([key(0, 1), key(1)]);
    await slot?.release();
    expect((await slotsOf().take(2, "c"))?.key).toBe(key(0));
  });

  test("beyond the limit is not taken over", async () => {
    hold(2, "gone");
    hold(3, "gone");
    expect((await slotsOf().take(2, "a"))?.key).toBe(key(0));
    expect((await slotsOf().take(2, "b"))?.key).toBe(key(1));
    expect(await slotsOf().take(2, "c")).toBeNull();
  });

  test("beyond the limit leaves the last place", async () => {
    hold(0, "a");
    hold(2, "gone");
    expect((await slotsOf().take(2, "b"))?.key).toBe(key(1));
  });

  test("that was released meanwhile is taken as a free one", async () => {
    hold(0, "a");
    const get = async (name: string) => (name === key(0) ? null : store.objects.get(name));
    const create = vi.fn(async (name: string, text: string) => {
      store.remove(key(0));
      return store.objects.create(name, text);
    });
    expect((await slotsOf({ ...store.objects, get, create }).take(1, "b"))?.key).toBe(key(0));
  });

  test("that another server took meanwhile is left to it", async () => {
    hold(0, "gone");
    const create = async (name: string, text: string) => {
      hold(0, "a");
      return store.objects.create(name, text);
    };
    expect(await slotsOf({ ...store.objects, create }).take(1, "b")).toBeNull();
    expect([...store.files.keys()]).toEqual([key(0)]);
  });
});

test("slots of a server with a higher limit count", async () => {
  hold(5, "a");
  hold(6, "b");
  expect(await slotsOf().take(2, "c")).toBeNull();
  expect((await slotsOf().take(3, "c"))?.key).toBe(key(0));
});

test("a store in which others are always faster is asked 200 times, with growing pauses", async () => {
  random.mockReturnValue(0.5);
  expect(await slotsOf().count()).toBe(0);
  const pauses: number[] = [];
  const waits = vi.spyOn(globalThis, "setTimeout").mockImplementation(((next: () => void, ms: number) => {
    pauses.push(ms);
    next();
    return 0;
  }) as never);
  let creates = 0;
  const create = async () => {
    creates++;
    return false;
  };
  const taking = slotsOf({ ...store.objects, create }).take(3, "a");
  const error = await taking.then(
    () => null,
    (error: Error) => error,
  );
  waits.mockRestore();
  expect(error).toMatchObject({ code: "unavailable", message: "the store gave no slot in 200 attempts; try again" });
  expect([creates, pauses.length, ...pauses.slice(0, 4)]).toEqual([200, 200, 0, 2.5, 5, 7.5]);
  expect(pauses.slice(9, 13)).toEqual([22.5, 25, 25, 25]);
});

import { expect, test } from "vitest";
import { HeldMemory } from "./heldMemory.ts";

const user = (tenant: string, adapterMemory?: number) => ({ tenant, adapterMemory });

test("the adapters of a tenant's requests take at most its memory, each counted once", () => {
  const memory = new HeldMemory();
  const red = user("red", 300);
  const first = memory.hold(red, "a", 200);
  const again = memory.hold(red, "a", 200);
  expect(() => memory.hold(red, "b", 200)).toThrow(expect.objectContaining({ code: "queue_full", retryAfter: 1 }));
  memory.hold(user("blue", 300), "b", 200);
  expect(memory.byTenant).toEqual({ red: 200, blue: 200 });
  first();
  first();
  expect(() => memory.hold(red, "b", 200)).toThrow("use adapters of 200 bytes, and this one takes 200 of its 300");
  again();
  memory.hold(red, "b", 200);
  expect(() => memory.hold(red, "c", 301)).toThrow(expect.objectContaining({ code: "adapter_refused" }));
});

test("without a limit, a tenant uses any memory", () => {
  const memory = new HeldMemory();
  memory.hold(user(""), "a", 600);
  memory.hold(user(""), "b", 400);
  expect(memory.byTenant).toEqual({ "": 1000 });
});

test("a tenant may use its memory to the last byte", () => {
  const memory = new HeldMemory();
  const red = user("red", 300);
  const release = memory.hold(red, "a", 300);
  expect(() => memory.hold(red, "b", 300)).toThrow(expect.objectContaining({ code: "queue_full" }));
  release();
  expect(memory.byTenant).toEqual({});
  for (const [version, bytes] of [
    ["b", 100],
    ["c", 199],
    ["d", 1],
  ] as const)
    memory.hold(red, version, bytes);
  expect(() => memory.hold(red, "e", 1)).toThrow(expect.objectContaining({ code: "queue_full" }));
});

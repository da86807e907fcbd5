import { expect, test } from "vitest";
import { FairQueue } from "./fairQueue.ts";

const all = () => true;
const request = (adapter: string | null, number = 0, tenant = "t") => ({ tenant, adapter, number });

/** Tokens in an adapter's turn. */
const turn = 1024;

/** Takes requests of `tokens` tokens (default: an adapter's turn), and returns their adapters. */
function taken(
  queue: FairQueue<ReturnType<typeof request>>,
  count: number,
  name: "adapter" | "tenant" = "adapter",
  tokens: number = turn,
) {
  return Array.from({ length: count }, () => {
    const next = queue.take(all)!;
    queue.charge(next, tokens);
    return next[name];
  });
}

test("one adapter's requests come in the order of arrival", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  for (let i = 0; i < 3; i++) queue.push(request("a", i));
  expect([queue.take(all), queue.take(all), queue.take(all)].map((r) => r?.number)).toEqual([0, 1, 2]);
  expect(queue.take(all)).toBeNull();
});

test("an adapter with many requests does not keep others waiting", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  for (let i = 0; i < 100; i++) queue.push(request("busy", i));
  queue.push(request("b"));
  queue.push(request(null));
  expect(taken(queue, 5)).toEqual(["busy", "b", null, "busy", "busy"]);
});

test("requests of one adapter come together as long as its turn lasts", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  for (let i = 0; i < 8; i++) for (const name of ["a", "b"]) queue.push(request(name, i));
  expect(taken(queue, 12, "adapter", turn / 4)).toEqual([..."aaaabbbbaaaa"]);
});

test("an adapter that was served much waits as long as that took, and no longer", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  for (let i = 0; i < 50; i++) queue.push(request("long", i));
  const first = queue.take(all)!;
  queue.charge(first, 4 * turn);
  let fresh = 0;
  const order: (string | null)[] = [];
  for (let i = 0; i < 12; i++) {
    // There is always a new tenant that has been served nothing yet.
    queue.push(request(`new${fresh++}`));
    const next = queue.take(all)!;
    queue.charge(next, turn);
    order.push(next.adapter);
    if (next.adapter !== "long") queue.leave(next);
  }
  expect(order.indexOf("long")).toBeGreaterThan(2);
  expect(order.filter((adapter) => adapter === "long").length).toBeGreaterThan(2);
});

test("tenants share alike, however many adapters one has", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  for (let i = 0; i < 20; i++) queue.push(request(`a${i}`, i, "many"));
  for (let i = 0; i < 20; i++) queue.push(request("a", i, "one"));
  for (const tokens of [turn / 4, turn]) {
    const tenants = taken(queue, 10, "tenant", tokens);
    expect(tenants.filter((tenant) => tenant === "many").length).toBe(5);
  }
});

test("requests that may not be taken are passed by", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  queue.push(request("a"));
  queue.push(request(null));
  expect(queue.take(({ adapter }) => adapter === null)?.adapter).toBeNull();
  expect(queue.take(({ adapter }) => adapter === null)).toBeNull();
  expect(queue.size).toBe(1);
});

test("a request that leaves is not taken, and nothing is kept of those that ended", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  const [a, b] = [request("a", 1), request("a", 2)];
  queue.push(a);
  queue.push(b);
  queue.leave(a);
  expect(queue.size).toBe(1);
  expect(queue.take(all)).toBe(b);
  queue.charge(b, 1e6);
  queue.leave(b);
  queue.push(request("a", 3));
  queue.push(request("b", 4));
  expect(taken(queue, 2)).toEqual(["a", "b"]);
});

test("a tenant's lowest priority goes first over all its adapters, and takes no turn of another tenant", () => {
  const queue = new FairQueue<ReturnType<typeof request> & { priority?: number }>();
  const push = (adapter: string, number: number, priority?: number, tenant = "t") => {
    queue.push({ ...request(adapter, number, tenant), priority });
  };
  push("a", 0);
  push("a", 1, 5);
  push("a", 2, -1);
  push("b", 3, -1);
  push("b", 4, 0);
  push("a", 5, -1);
  push("c", 6, 100, "other");
  push("c", 7, 100, "other");
  const order = Array.from({ length: 8 }, () => {
    const next = queue.take(all)!;
    queue.charge(next, turn);
    return next;
  });
  const own = order.filter(({ tenant }) => tenant === "t");
  expect(own.map(({ priority = 0 }) => priority)).toEqual([-1, -1, -1, 0, 0, 5]);
  expect(own.filter(({ adapter, priority }) => adapter === "a" && priority === -1).map((r) => r.number)).toEqual([
    2, 5,
  ]);
  expect(order.slice(0, 4).filter(({ tenant }) => tenant === "other").length).toBe(2);
});

test.each(["tenant", "adapter"] as const)("a turn of a %s ends with its last token", (name) => {
  const tokens = name === "tenant" ? 256 : 1024;
  const turns = (charges: readonly number[]) => {
    const queue = new FairQueue<ReturnType<typeof request>>();
    for (const each of ["a", "b"]) {
      for (let i = 0; i < 9; i++) queue.push(name === "tenant" ? request("x", i, each) : request(each, i));
    }
    return charges.map((charge) => taken(queue, 1, name, charge)[0]).join("");
  };
  expect(turns([tokens, 1])).toBe("ab");
  expect(turns([tokens - 1, 1, 1])).toBe("aab");
});

test("a share that is alone gets no more rounds than it needs", () => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  for (let i = 0; i < 4; i++) queue.push(request("a", i, "one"));
  for (let i = 0; i < 4; i++) queue.push(request("a", i, "two"));
  const take = (tokens: number, may: Parameters<typeof queue.take>[0] = all) => {
    const next = queue.take(may)!;
    queue.charge(next, tokens);
    return next.tenant;
  };
  expect(take(511)).toBe("one");
  // Its credit is -255: one round is enough, and leaves 1.
  expect(take(1, ({ tenant }) => tenant === "one")).toBe("one");
  expect(take(1)).toBe("two");
});

test.each(["tenant", "adapter"] as const)("a %s without requests begins anew, after the others", (name) => {
  const queue = new FairQueue<ReturnType<typeof request>>();
  const of = (each: string) => (name === "tenant" ? request("x", 0, each) : request(each));
  const first = of("a");
  queue.push(first);
  for (let i = 0; i < 2; i++) queue.push(of("b"));
  expect(queue.take(all)).toBe(first);
  queue.charge(first, 1e6);
  queue.leave(first);
  queue.leave(first);
  queue.charge(first, 1e6);
  queue.push(of("a"));
  expect([queue.size, ...taken(queue, 3, name, 2048)]).toEqual([3, "b", "a", "b"]);
});

test("the default of a priority is 0", () => {
  const queue = new FairQueue<ReturnType<typeof request> & { priority?: number }>();
  queue.push({ ...request("a", 1), priority: 1 });
  queue.push(request("a", 2));
  queue.push({ ...request("a", 3), priority: 0 });
  expect([1, 2, 3].map(() => queue.take(all)!.number)).toEqual([2, 3, 1]);
});

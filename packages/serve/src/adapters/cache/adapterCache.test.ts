import fc from "fast-check";
import { expect, test } from "vitest";
import type { AdapterLease } from "../../api/adapterProvider.ts";
import { ServingError } from "../../api/api.ts";
import { HandClock } from "../testing/handClock.ts";
import { AdapterCache } from "./adapterCache.ts";

/** Host whose loads and unloads end when the test resolves them. */
class Model {
  readonly clock = new HandClock();
  readonly #pinned = new Set<string>();
  readonly #named = new Set<string>();
  readonly #unnamed = new Set<string>();
  /** Versions on the model, with their actual bytes. */
  readonly on = new Map<string, number>();
  readonly log: string[] = [];
  /** Versions that were evicted for a load. */
  readonly gaveWay: string[] = [];
  readonly steps: (() => void)[] = [];
  readonly cache: AdapterCache;

  constructor(maxBytes: number) {
    const unload = (version: string, givesWay = false) =>
      this.#step(() => {
        this.log.push(`- ${version}`);
        if (givesWay) this.gaveWay.push(version);
        this.on.delete(version);
      });
    this.cache = new AdapterCache({
      ...{ maxBytes, patienceMs: 100, clock: this.clock, onWarning: () => undefined },
      host: {
        load: () => Promise.reject(new Error("the loads below put nothing on the host")),
        unload: (version, options) => unload(version, options?.givesWay),
      },
    });
  }

  /** Pins a version, or takes the pin away. */
  pin(version: string): void {
    toggle(this.#pinned, version);
    this.#rename();
  }

  /** Removes the name of a version, or gives it back. */
  unname(version: string): void {
    toggle(this.#unnamed, version);
    this.#rename();
  }

  #rename(): void {
    const named = [...this.#named].filter((version) => !this.#unnamed.has(version));
    this.cache.rename(new Set(named), this.#pinned);
  }

  acquire(version: string, bytes: number, real = bytes, fails = false): Promise<AdapterLease> {
    this.#named.add(version);
    if (!this.#unnamed.has(version)) this.cache.addNamed(version);
    return this.cache.acquire(version, bytes, () =>
      this.#step(() => {
        if (fails) throw new ServingError("adapter_refused", `${version} is broken`);
        this.log.push(`+ ${version}`);
        this.on.set(version, real);
        return { bytes: real, method: "LORA" };
      }),
    );
  }

  /** Completes one load or unload. */
  async step(index = 0): Promise<void> {
    this.steps.splice(index % Math.max(this.steps.length, 1), 1)[0]?.();
    await settled();
  }

  async run(): Promise<void> {
    await settled();
    while (this.steps.length > 0) await this.step();
  }

  #step<T>(fn: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.steps.push(() => {
        try {
          resolve(fn());
        } catch (error) {
          reject(error);
        }
      });
    });
  }
}

/** Waits until all promise callbacks have run. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await null;
}

/** Runs a model until a lease is granted. */
async function lease(model: Model, ...request: Parameters<Model["acquire"]>): Promise<AdapterLease> {
  const promise = model.acquire(...request);
  await model.run();
  return promise;
}

test("those used least of late give way, those leased and pinned do not", async () => {
  const model = new Model(30);
  model.pin("p");
  for (const version of ["p", "a", "b"]) (await lease(model, version, 10)).release();
  const a = await lease(model, "a", 10);
  (await lease(model, "c", 10)).release();
  expect([...model.on.keys()]).toEqual(["p", "a", "c"]);
  a.release();
  (await lease(model, "c", 10)).release();
  (await lease(model, "d", 10)).release();
  expect([...model.on.keys()]).toEqual(["p", "c", "d"]);
  const { hits, loads, evictions, bytes } = model.cache;
  expect({ hits, loads, evictions, bytes }).toEqual({ hits: 2, loads: 5, evictions: 2, bytes: 30 });
});

test("one that is used often stays while others come and go", async () => {
  const model = new Model(20);
  for (const version of ["often", "often", "a", "b", "c"]) (await lease(model, version, 10)).release();
  expect([...model.on.keys()]).toEqual(["often", "c"]);
});

test("only those that leave for a load give way", async () => {
  const model = new Model(20);
  for (const version of ["a", "b", "c"]) (await lease(model, version, 10)).release();
  model.unname("b");
  await model.run();
  await expect(lease(model, "large", 5, 30)).rejects.toThrow("takes 30 bytes");
  expect([model.gaveWay, model.log]).toEqual([["a"], ["+ a", "+ b", "- a", "+ c", "- b", "+ large", "- large"]]);
});

test("many that ask for one version share its load, and each has a lease", async () => {
  const model = new Model(10);
  const promises = Array.from({ length: 5 }, () => model.acquire("a", 10));
  await model.run();
  const leases = await Promise.all(promises);
  expect([model.log, model.cache.get("a")?.leases]).toEqual([["+ a"], 5]);
  leases[0].release();
  leases[0].release();
  expect(model.cache.get("a")?.leases).toBe(4);
});

test("where all is leased, loads wait in turn", async () => {
  const model = new Model(20);
  const [a, b] = [await lease(model, "a", 10), await lease(model, "b", 10)];
  const order: string[] = [];
  const waiting = ["large", "small"].map((version) =>
    model.acquire(version, version === "large" ? 20 : 5).then((got) => {
      order.push(version);
      got.release();
    }),
  );
  a.release();
  await model.run();
  // The small one fits, but the large one came first.
  expect(order).toEqual([]);
  b.release();
  await model.run();
  await Promise.all(waiting);
  expect(order).toEqual(["large", "small"]);
});

test("after some patience an adapter that is always in use makes room", async () => {
  const model = new Model(10);
  let hot = await lease(model, "hot", 10);
  const cold = model.acquire("cold", 10);
  for (let i = 0; i < 3; i++) {
    const next = await lease(model, "hot", 10);
    hot.release();
    hot = next;
  }
  expect(model.log).toEqual(["+ hot"]);
  model.clock.turn(100);
  const later = model.acquire("hot", 10);
  hot.release();
  await model.run();
  const got = await cold;
  expect(model.log).toEqual(["+ hot", "- hot", "+ cold"]);
  got.release();
  await model.run();
  await later;
  expect(model.log).toEqual(["+ hot", "- hot", "+ cold", "- cold", "+ hot"]);
});

test("a load that fails while others wait for its place gives the place back to those it held up", async () => {
  const model = new Model(10);
  const a = await lease(model, "a", 10);
  const large = model.acquire("large", 10, 10, true);
  model.clock.turn(100);
  // `a` accepts no more leases, so this request waits behind the load.
  const again = model.acquire("a", 10);
  a.release();
  await Promise.all([expect(large).rejects.toThrow("large is broken"), model.run()]);
  (await again).release();
  expect(model.cache.bytes).toBe(10);
});

test("one that stays because the load in front needs it no more is handed on without another load", async () => {
  const model = new Model(20);
  const [a, b] = [await lease(model, "a", 10), await lease(model, "b", 10)];
  const c = model.acquire("c", 10);
  model.clock.turn(100);
  const again = model.acquire("a", 10);
  // b makes room first, although a was draining.
  b.release();
  await model.run();
  (await c).release();
  (await again).release();
  a.release();
  expect(model.log).toEqual(["+ a", "+ b", "- b", "+ c"]);
});

test("what takes more than the budget is refused with sizes", async () => {
  const model = new Model(30);
  model.pin("p");
  await expect(model.acquire("a", 31)).rejects.toThrow("takes 31 bytes, and maxAdapterBytes is 30; give it more");
  (await lease(model, "p", 10)).release();
  await expect(model.acquire("a", 21)).rejects.toThrow("maxAdapterBytes is 30, of which pinned adapters take 10");
  // Only after its load is it known to take more than its file.
  const wide = model.acquire("wide", 10, 25);
  await Promise.all([expect(wide).rejects.toThrow("takes 25 bytes"), model.run()]);
  expect([...model.on.keys()]).toEqual(["p"]);
  await expect(model.acquire("wide", 10)).rejects.toThrow("takes 25 bytes");
});

test("one that takes more than its file waits for what it takes", async () => {
  const model = new Model(30);
  const a = await lease(model, "a", 20);
  const wide = model.acquire("wide", 10, 25);
  await model.run();
  expect(model.log).toEqual(["+ a", "+ wide", "- wide"]);
  expect(model.cache.bytes).toBe(20);
  a.release();
  await model.run();
  await wide;
  expect(model.log.slice(3)).toEqual(["- a", "+ wide"]);
  expect(model.cache.bytes).toBe(25);
});

test("a version that no name means leaves with its last lease", async () => {
  const model = new Model(30);
  const [a, more] = [await lease(model, "a", 10), await lease(model, "a", 10)];
  (await lease(model, "b", 10)).release();
  model.unname("a");
  model.unname("b");
  await model.run();
  expect([...model.on.keys()]).toEqual(["a"]);
  a.release();
  expect(model.steps).toEqual([]);
  more.release();
  await model.run();
  expect([[...model.on.keys()], model.cache.bytes, model.cache.evictions]).toEqual([[], 0, 0]);
});

function toggle(set: Set<string>, member: string): void {
  if (!set.delete(member)) set.add(member);
}

const versions = ["a", "b", "c", "d", "e", "f"];
const sizeOf = (version: string) => 10 * (1 + versions.indexOf(version));

test("whatever happens: no leased version goes, the budget holds, every acquire ends", async () => {
  const action = fc.oneof(
    { weight: 4, arbitrary: fc.record({ do: fc.constant("acquire" as const), at: fc.nat(5) }) },
    { weight: 3, arbitrary: fc.record({ do: fc.constant("release" as const), at: fc.nat(20) }) },
    { weight: 4, arbitrary: fc.record({ do: fc.constant("step" as const), at: fc.nat(5) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("turn" as const), at: fc.nat(150) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("pin" as const), at: fc.nat(1) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant("want" as const), at: fc.nat(5) }) },
  );
  const traits = fc.record({
    // Factor between the bytes in memory and in the file: 2 for f16 values that are kept as f32.
    widens: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    fails: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), traits, async (actions, { widens, fails }) => {
      const model = new Model(100);
      const held: AdapterLease[] = [];
      let open = 0;
      const failures: Error[] = [];
      const check = () => {
        for (const { version } of held) expect(model.on.has(version), `${version} is leased`).toBe(true);
        expect(model.cache.bytes).toBeLessThanOrEqual(100);
        const loaded = versions.flatMap((version) => model.cache.ready(version) ?? []);
        expect(model.cache.count).toBe(loaded.length);
        for (const { version, leases } of loaded) {
          // A lease is counted before its requests receive it.
          expect(leases).toBeGreaterThanOrEqual(held.filter((one) => one.version === version).length);
        }
      };
      for (const { do: what, at } of actions) {
        if (what === "acquire") {
          const version = versions[at];
          const real = sizeOf(version) * (widens[at] ? 2 : 1);
          open++;
          model.acquire(version, sizeOf(version), real, fails[at] && at > 3).then(
            (got) => {
              open--;
              held.push(got);
            },
            (error) => {
              open--;
              failures.push(error);
            },
          );
          await settled();
        } else if (what === "release") {
          for (const one of held.splice(at % Math.max(held.length, 1), 1)) one.release();
          await settled();
        } else if (what === "step") await model.step(at);
        else if (what === "turn") model.clock.turn(at);
        else if (what === "pin") model.pin(versions[at]);
        else model.unname(versions[at]);
        check();
      }
      // Every request ends eventually.
      for (let round = 0; open > 0 || held.length > 0; round++) {
        expect(round, `${open} wait for ever`).toBeLessThan(200);
        for (const one of held.splice(0)) one.release();
        await model.run();
        check();
      }
      for (const { message } of failures) expect(message).toMatch(/is broken|takes \d+ bytes/);
      const real = [...model.on.values()].reduce((sum, bytes) => sum + bytes, 0);
      expect(model.cache.bytes).toBe(real);
      expect(model.clock.timers).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test("adapters of a tenant's requests stay within its memory budget, and other tenants can load adapters", async () => {
  const model = new Model(1000);
  const load = async () => ({ bytes: 100, method: "LORA" });
  const acquire = (version: string, tenant: string) =>
    model.cache.acquire(version, 100, load, { tenant, adapterMemory: 250 });
  const leases = [await acquire("a", "red"), await acquire("b", "red"), await acquire("b", "red")];
  expect(() => acquire("c", "red")).toThrow(expect.objectContaining({ code: "queue_full" }));
  expect(model.cache.get("c")).toBeUndefined();
  await acquire("c", "blue");
  expect(() => model.cache.join("c", { tenant: "red", adapterMemory: 250 })).toThrow("Try again later");
  leases[1].release();
  expect(() => acquire("c", "red")).toThrow("Try again later");
  leases[2].release();
  await acquire("c", "red");
  expect(model.cache.held.byTenant).toEqual({ red: 200, blue: 100 });
});

test("a load that fails gives its memory back to the tenant", async () => {
  const model = new Model(1000);
  const broken = async () => {
    throw new ServingError("adapter_refused", "broken");
  };
  await expect(model.cache.acquire("a", 100, broken, { tenant: "red" })).rejects.toThrow("broken");
  expect(model.cache.held.byTenant).toEqual({});
});

test("no adapter is evicted for a load that then does not fit, and the last byte counts", async () => {
  const model = new Model(1000);
  const acquire = async (version: string, bytes: number) => {
    const lease = model.acquire(version, bytes);
    lease.catch(() => undefined);
    await model.run();
    return lease;
  };
  await acquire("used", 600);
  (await acquire("idle", 400)).release();
  const waits = model.acquire("wide", 401);
  await model.run();
  expect([model.cache.evictions, [...model.on.keys()]]).toEqual([0, ["used", "idle"]]);
  model.cache.close();
  await waits.catch(() => undefined);
  const other = new Model(1000);
  const used = other.acquire("used", 600);
  const idle = other.acquire("idle", 400);
  await other.run();
  (await idle).release();
  const exact = other.acquire("exact", 400);
  await other.run();
  await exact;
  expect([other.cache.evictions, [...other.on.keys()]]).toEqual([1, ["used", "exact"]]);
  (await used).release();
});

test("times of loads are counted in seconds", async () => {
  const model = new Model(1000);
  model.clock.turn(500);
  const lease = model.acquire("a", 100);
  await settled();
  model.clock.turn(2500);
  await model.run();
  await lease;
  expect(model.cache.loadTimes.sum).toBe(2.5);
});

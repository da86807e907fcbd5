import { readFile } from "node:fs/promises";
import fc from "fast-check";
import { expect, test } from "vitest";
import { ServingError } from "../../api/api.ts";
import { type AdapterState, AdapterStates, type CacheEvent, type Transition, transitions } from "./adapterStates.ts";

/** Returns every transition of the table, as "state event next". */
function allTransitions(): string[] {
  return Object.entries(transitions).flatMap(([from, events]) =>
    Object.entries(events).flatMap(([event, next]) => next.map((to) => `${from} ${event} ${to}`)),
  );
}

test("the table in the header of adapterStates.ts shows the transitions", async () => {
  const text = await readFile(new URL("adapterStates.ts", import.meta.url), "utf8");
  const rows = text.split("\n").flatMap((line) => {
    const cells = line.match(/^ \* \|(.*)\|$/)?.[1].split("|");
    return cells ? [cells.map((cell) => cell.trim())] : [];
  });
  const [[, ...states], , ...body] = rows;
  const shown = body.flatMap(([event, ...cells]) =>
    cells.flatMap((cell, i) => (cell ? cell.split(", ").map((to) => `${states[i]} ${event} ${to}`) : [])),
  );
  expect(states).toEqual(Object.keys(transitions));
  expect(shown.sort()).toEqual(allTransitions().sort());
});

/** Machine that records its transitions. */
class RecordedStates extends AdapterStates {
  readonly taken: Set<string>;

  constructor(maxBytes: number, taken: Set<string>) {
    super(maxBytes);
    this.taken = taken;
  }

  protected override check(from: AdapterState, event: Transition, to: AdapterState): void {
    super.check(from, event, to);
    this.taken.add(`${from} ${event} ${to}`);
  }
}

const maxBytes = 100;
const versions = ["a", "b", "c", "d", "e", "f"];
const fileBytes = (version: string) => 10 * (1 + versions.indexOf(version));

/** Host and requests of a random walk. It checks the machine after each event. */
class Walk {
  readonly states: RecordedStates;
  /** Versions whose reads or unloads run. */
  readonly reads: string[] = [];
  readonly unloads: string[] = [];
  /** Versions on the model, with their bytes. */
  readonly on = new Map<string, number>();
  /** Version of each lease. */
  readonly leases: string[] = [];
  /** Number of requests that wait, by version. */
  readonly waiting = new Map<string, number>();
  readonly errors: unknown[] = [];
  readonly named = new Set(versions);
  readonly pinned = new Set<string>();
  isTimed = false;
  closed = false;

  constructor(taken: Set<string>) {
    this.states = new RecordedStates(maxBytes, taken);
    this.rename();
  }

  rename(): void {
    this.send({ type: "rename", named: this.named, pinned: new Set(this.pinned) });
  }

  acquire(version: string): void {
    if (this.closed) return;
    if (this.states.stateOf(version) === "resident") this.leases.push(version);
    else this.waiting.set(version, (this.waiting.get(version) ?? 0) + 1);
    this.send({ type: "acquire", version, bytes: fileBytes(version) });
  }

  /** Ends a read. The version takes the bytes of its files in memory, twice as many, or fails. */
  endRead(at: number, how: "same" | "twice" | "fails"): void {
    const version = takeAt(this.reads, at);
    if (version === undefined) return;
    if (how === "fails") {
      this.send({ type: "failed", version, error: new Error("broken") });
      return;
    }
    const bytes = fileBytes(version) * (how === "twice" ? 2 : 1);
    this.on.set(version, bytes);
    this.send({ type: "loaded", version, bytes, method: "LORA" });
  }

  endUnload(at: number): void {
    const version = takeAt(this.unloads, at);
    if (version === undefined) return;
    this.on.delete(version);
    this.send({ type: "unloaded", version });
  }

  release(at: number): void {
    const version = takeAt(this.leases, at);
    if (version !== undefined) this.send({ type: "release", version });
  }

  passPatience(): void {
    if (!this.isTimed) return;
    this.isTimed = false;
    this.send({ type: "impatient" });
  }

  close(): void {
    this.closed = true;
    this.send({ type: "close", error: new ServingError("draining", "closed") });
    // Only reads still run.
    expect([...this.waiting.keys()].sort()).toEqual([...this.reads].sort());
  }

  send(event: CacheEvent): void {
    for (const effect of this.states.send(event)) {
      if (effect.type === "patience") {
        // Only a running time is stopped.
        expect(effect.starts || this.isTimed).toBe(true);
        this.isTimed = effect.starts;
        continue;
      }
      const { type, version } = effect;
      if (type === "read") {
        expect([this.on.has(version), this.waiting.has(version)]).toEqual([false, true]);
        this.reads.push(version);
      } else if (type === "unload") {
        expect([this.on.has(version), this.leases.includes(version)]).toEqual([true, false]);
        if (effect.givesWay) expect(this.pinned.has(version)).toBe(false);
        this.unloads.push(version);
      } else {
        const requests = this.waiting.get(version) ?? 0;
        expect(requests).toBeGreaterThan(0);
        this.waiting.delete(version);
        if (type === "reject") this.errors.push(effect.error);
        else for (let i = 0; i < requests; i++) this.leases.push(version);
      }
    }
    this.check();
  }

  /** Throws if an invariant is broken. It runs after each event, so it compares without `expect`, which is slow. */
  check(): void {
    const { states } = this;
    let bytes = 0;
    for (const version of versions) {
      const state = states.stateOf(version);
      const cached = states.get(version) ?? { leases: 0, requests: 0, bytes: 0 };
      const isOn = state === "resident" || state === "draining";
      const leases = this.leases.filter((leased) => leased === version).length;
      const requests = this.waiting.get(version) ?? 0;
      const rules = {
        "the leases are those that requests hold": cached.leases === leases,
        "the requests are those that wait": cached.requests === requests,
        "it is on the model": this.on.has(version) === (isOn || state === "unloading"),
        "its read runs": this.reads.includes(version) === (state === "reading"),
        "its unload runs": this.unloads.includes(version) === (state === "unloading"),
        "a request waits for it": requests > 0 || (state !== "waiting" && state !== "reading"),
        "no request waits for a resident version": requests === 0 || state !== "resident",
        "only a version on the model is leased": leases === 0 || isOn,
        "an idle version has a name": leases > 0 || !isOn || this.named.has(version),
        "its bytes are those on the model": !isOn || cached.bytes === this.on.get(version),
      };
      for (const [rule, holds] of Object.entries(rules)) {
        if (!holds) throw new Error(`${version} is ${state}, but not: ${rule}`);
      }
      bytes += cached.bytes;
    }
    const running = this.reads.length + this.unloads.length;
    const isQueued = versions.some((version) => this.waiting.has(version) && !this.reads.includes(version));
    const rules = {
      "the sum of bytes is right": states.bytes === bytes,
      "the budget holds": bytes <= maxBytes,
      "the count is right": states.count === this.on.size - this.unloads.length,
      "without running work and leases no request waits": running + this.leases.length > 0 || this.waiting.size === 0,
      "without a queue no time runs": isQueued || !this.isTimed,
    };
    for (const [rule, holds] of Object.entries(rules)) if (!holds) throw new Error(`not: ${rule}`);
  }

  /** Ends all work and leases, until no request waits. */
  finish(): void {
    for (let round = 0; this.waiting.size + this.leases.length + this.unloads.length > 0; round++) {
      expect(round, `${[...this.waiting.keys()]} wait for ever`).toBeLessThan(200);
      this.release(0);
      this.endUnload(0);
      this.endRead(0, "same");
    }
    expect(this.isTimed).toBe(false);
    for (const error of this.errors) expect(String(error)).toMatch(/broken|takes \d+ bytes|closed/);
  }
}

function takeAt(list: string[], at: number): string | undefined {
  return list.splice(at % Math.max(list.length, 1), 1)[0];
}

function toggle(set: Set<string>, member: string): void {
  if (!set.delete(member)) set.add(member);
}

/** Steps of a walk. The number chooses a version, a lease or running work. */
const steps = {
  acquire: (walk: Walk, at: number) => walk.acquire(versions[at % 6]),
  release: (walk: Walk, at: number) => walk.release(at),
  read: (walk: Walk, at: number) => walk.endRead(at, "same"),
  widen: (walk: Walk, at: number) => walk.endRead(at, "twice"),
  fail: (walk: Walk, at: number) => walk.endRead(at, "fails"),
  unload: (walk: Walk, at: number) => walk.endUnload(at),
  wait: (walk: Walk) => walk.passPatience(),
  pin: (walk: Walk, at: number) => {
    toggle(walk.pinned, versions[at % 2]);
    walk.named.add(versions[at % 2]);
    walk.rename();
  },
  name: (walk: Walk, at: number) => {
    const version = versions[at % 6];
    if (walk.pinned.has(version)) return;
    if (walk.named.has(version) || at < 10) {
      toggle(walk.named, version);
      walk.rename();
    } else {
      walk.named.add(version);
      walk.send({ type: "named", version });
    }
  },
} as const;

const weights = { acquire: 5, release: 3, read: 4, widen: 1, fail: 1, unload: 4, wait: 2, pin: 1, name: 1 };

const arbitraryStep = fc.record({
  does: fc.oneof(
    ...Object.entries(weights).map(([does, weight]) => ({
      weight,
      arbitrary: fc.constant(does as keyof typeof steps),
    })),
  ),
  at: fc.nat(20),
});

type Step = { readonly does: keyof typeof steps; readonly at: number };

/** Walk to a transition that random walks rarely take: a version without leases and without a name stops draining. */
const rare: readonly Step[] = [
  ...([3, 4].map((at) => ({ does: "acquire", at })) satisfies Step[]),
  ...([0, 0].map((at) => ({ does: "read", at })) satisfies Step[]),
  { does: "acquire", at: 5 },
  { does: "wait", at: 0 },
  { does: "release", at: 0 },
  { does: "name", at: 3 },
];

/** Runs random walks. Returns the transitions that were taken. */
function walk(parameters: { readonly numRuns: number; readonly seed?: number }): Set<string> {
  const taken = new Set<string>();
  const chosen = fc.array(arbitraryStep, { maxLength: 80, size: "max" });
  const walks = fc.property(chosen, fc.boolean(), (chosenSteps: readonly Step[], closes) => {
    const walked = new Walk(taken);
    for (const { does, at } of chosenSteps) steps[does](walked, at);
    if (closes) walked.close();
    walked.finish();
  });
  fc.assert(walks, { ...parameters, examples: [[[...rare], false]] });
  return taken;
}

test("random events break no invariant: budget, leases, requests, work that runs", () => {
  walk({ numRuns: 200 });
});

test("random events take every transition of the table", () => {
  expect([...walk({ numRuns: 200, seed: 1 })].sort()).toEqual(allTransitions().sort());
});

test("an event that a state does not allow throws", () => {
  const states = new AdapterStates(maxBytes);
  states.send({ type: "acquire", version: "a", bytes: 10 });
  expect(() => states.send({ type: "unloaded", version: "a" })).toThrow(
    "the table of transitions does not lead from reading by unloaded to waiting",
  );
});

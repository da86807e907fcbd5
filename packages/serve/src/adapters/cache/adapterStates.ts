/**
 * @file State machine of the adapter cache. Each version of an adapter is in one state:
 *
 * - absent: not on the model, and no request waits for it.
 * - waiting: its requests wait until there is memory for it.
 * - reading: memory is reserved. Its files are read, checked and loaded onto the model.
 * - resident: on the model. Requests get leases at once.
 * - draining: on the model, but gives no more leases, since the first waiting version needs its memory. New requests
 *   for it wait.
 * - unloading: being removed from the model. New requests for it wait.
 *
 * The table shows the next state by state and event. An empty cell: the event does not occur in this state.
 *
 * | event    | absent  | waiting | reading             | resident            | draining            | unloading       |
 * | -------- | ------- | ------- | ------------------- | ------------------- | ------------------- | --------------- |
 * | acquire  | waiting | waiting | reading             | resident            | draining            | unloading       |
 * | admit    |         | reading |                     |                     |                     |                 |
 * | reject   |         | absent  |                     |                     | draining            | unloading       |
 * | loaded   |         |         | resident, unloading |                     |                     |                 |
 * | failed   |         |         | absent              |                     |                     |                 |
 * | release  |         |         |                     | resident, unloading | draining, unloading |                 |
 * | rename   |         |         |                     | resident, unloading | draining, unloading |                 |
 * | drain    |         |         |                     | draining            |                     |                 |
 * | keep     |         |         |                     |                     | resident            |                 |
 * | evict    |         |         |                     | unloading           | unloading           |                 |
 * | unloaded |         |         |                     |                     |                     | absent, waiting |
 *
 * - acquire: a request needs the version.
 * - admit: the version is first in the queue, and enough memory is free for it.
 * - reject: the version takes more than the budget, or the cache is closed. Its waiting requests fail.
 * - loaded: the version is on the model. If it takes more memory than its files, and more than is free, it is unloaded
 *   and waits again.
 * - failed: the version's files cannot be read or served. Its requests fail.
 * - release: a lease ends. A version without leases and without a name is unloaded.
 * - rename: the names or the pins have changed. A version without leases and without a name is unloaded.
 * - drain: the first version in the queue has waited too long, and needs the memory of this version, which has leases.
 * - keep: the first version in the queue, for which this version was draining, no longer waits. Requests that wait for
 *   this version get leases.
 * - evict: no request uses the version, and the first version in the queue needs its memory.
 * - unloaded: the version was removed from the model. It waits again if requests wait for it.
 */

import type { ServingError } from "../../api/api.ts";
import { adapterRefused } from "../../storage/storeErrors.ts";
import { leastFirst, UseCounts, unused } from "./useCounts.ts";

/** State of a version. */
export type AdapterState = "absent" | "waiting" | "reading" | "resident" | "draining" | "unloading";

/** Event that changes one version's state: a row of the table in this file's header. */
export type Transition =
  | ("acquire" | "admit" | "reject" | "loaded" | "failed" | "release")
  | ("rename" | "drain" | "keep" | "evict" | "unloaded");

/** Next states by state and event, as in the table at the beginning of this file. */
export const transitions: Readonly<Record<AdapterState, Partial<Record<Transition, readonly AdapterState[]>>>> = {
  absent: { acquire: ["waiting"] },
  waiting: { acquire: ["waiting"], admit: ["reading"], reject: ["absent"] },
  reading: { acquire: ["reading"], loaded: ["resident", "unloading"], failed: ["absent"] },
  resident: {
    acquire: ["resident"],
    release: ["resident", "unloading"],
    rename: ["resident", "unloading"],
    drain: ["draining"],
    evict: ["unloading"],
  },
  draining: {
    acquire: ["draining"],
    reject: ["draining"],
    release: ["draining", "unloading"],
    rename: ["draining", "unloading"],
    keep: ["resident"],
    evict: ["unloading"],
  },
  unloading: { acquire: ["unloading"], reject: ["unloading"], unloaded: ["absent", "waiting"] },
};

/** Version in any state but absent. */
export interface CachedAdapter {
  readonly version: string;
  readonly state: AdapterState;
  /**
   * Bytes of the adapter's tensors. While the adapter is read, the bytes that are reserved for them; while it waits, 0.
   */
  readonly bytes: number;
  /** Number of bytes that must be reserved to load the version for its waiting requests. */
  readonly needs: number;
  readonly method: string;
  readonly leases: number;
  /** Number of requests that wait for the version. */
  readonly requests: number;
}

/** Event that the cache sends to `AdapterStates`. */
export type CacheEvent =
  /** A request needs a version; `bytes` is the size of its files. */
  | { readonly type: "acquire"; readonly version: string; readonly bytes: number }
  /** The effect `read` has ended: the version is on the model and takes `bytes`. */
  | { readonly type: "loaded"; readonly version: string; readonly bytes: number; readonly method: string }
  /** The effect `read` has failed. */
  | { readonly type: "failed"; readonly version: string; readonly error: unknown }
  | { readonly type: "release"; readonly version: string }
  /** The effect `unload` has ended. */
  | { readonly type: "unloaded"; readonly version: string }
  /**
   * The names have changed: `named` contains all versions that have a name now, `pinned` the versions that are never
   * evicted.
   */
  | { readonly type: "rename"; readonly named: Iterable<string>; readonly pinned: ReadonlySet<string> }
  /** A version has a name now. */
  | { readonly type: "named"; readonly version: string }
  /** The timer that the effect `patience` started has expired. */
  | { readonly type: "impatient" }
  | { readonly type: "close"; readonly error: ServingError };

/** Action that the cache must perform after an event. */
export type CacheEffect =
  /** Resolve the requests that wait for a version; each of them has a lease now. */
  | { readonly type: "grant"; readonly version: string }
  /** Reject the requests that wait for a version, with `error`. */
  | { readonly type: "reject"; readonly version: string; readonly error: unknown }
  /** Read a version's files and load them onto the model. */
  | { readonly type: "read"; readonly version: string }
  /** Remove a version from the model. `givesWay` is true if this makes room for another version. */
  | { readonly type: "unload"; readonly version: string; readonly givesWay: boolean }
  /**
   * Start (`starts` is true) or stop the timer that limits how long the first version in the queue waits for leases to
   * end.
   */
  | { readonly type: "patience"; readonly starts: boolean };

type Entry = { -readonly [K in keyof CachedAdapter]: CachedAdapter[K] } & {
  /** Logarithm of the number of uses, with a lower weight for older uses, from `UseCounts`. */
  uses: number;
};

/**
 * States of adapter versions within a budget of bytes. Versions with few and old uses are evicted first; leased or
 * pinned versions are not evicted. If all are leased, new versions wait in a queue. If the first of them has waited too
 * long, the versions that must be evicted for it give no more leases. Every request is therefore served at some time.
 * The class has no clock and loads nothing: `send` returns the effects that the caller must perform.
 */
export class AdapterStates {
  /** Number of bytes that the versions on the model take, including bytes reserved for versions that are being read. */
  bytes = 0;
  readonly #maxBytes: number;
  readonly #entries = new Map<string, Entry>();
  /** Versions for which requests wait, in order. Versions that are being read are not in the queue. */
  readonly #queue: Entry[] = [];
  readonly #uses = new UseCounts();
  /** Number of bytes in memory, by version, of adapters that take more memory than their files. */
  readonly #sizes = new Map<string, number>();
  #named = new Set<string>();
  #pinned: ReadonlySet<string> = new Set();
  /** First version in the queue. If it has waited too long, `#isImpatient` is true. */
  #head: Entry | undefined;
  #isImpatient = false;
  /** True while the timer of the effect `patience` runs. */
  #isTimed = false;
  #effects: CacheEffect[] = [];

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Returns a version; undefined if it is absent. */
  get(version: string): CachedAdapter | undefined {
    return this.#entries.get(version);
  }

  stateOf(version: string): AdapterState {
    return this.#entries.get(version)?.state ?? "absent";
  }

  /** Number of versions on the model. */
  get count(): number {
    let count = 0;
    for (const entry of this.#entries.values()) if (isOnModel(entry)) count++;
    return count;
  }

  /**
   * Returns the bytes to reserve before a version is loaded. This is `bytes`, the size of its files, unless an earlier
   * load has shown that the version takes more memory.
   */
  sizeOf(version: string, bytes: number): number {
    return this.#sizes.get(version) ?? bytes;
  }

  /** Applies an event, and returns the effects that the caller must perform, in order. */
  send(event: CacheEvent): readonly CacheEffect[] {
    this.#effects = [];
    const head = this.#head;
    this.#apply(event);
    // A lease on a resident version frees no memory.
    if (event.type !== "acquire" || this.stateOf(event.version) !== "resident") this.#admitNext();
    if (this.#head !== head) this.#setPatience();
    return this.#effects;
  }

  #apply(event: CacheEvent): void {
    switch (event.type) {
      case "acquire":
        this.#acquire(event.version, event.bytes);
        break;
      case "loaded":
        this.#loaded(this.#entries.get(event.version)!, event.bytes, event.method);
        break;
      case "failed":
        this.#failed(this.#entries.get(event.version)!, event.error);
        break;
      case "release":
        this.#release(this.#entries.get(event.version)!);
        break;
      case "unloaded":
        this.#unloaded(this.#entries.get(event.version)!);
        break;
      case "rename":
        this.#rename(event.named, event.pinned);
        break;
      case "named":
        this.#named.add(event.version);
        break;
      case "impatient":
        this.#isTimed = false;
        this.#isImpatient = true;
        break;
      case "close":
        for (const entry of [...this.#queue]) this.#reject(entry, event.error);
    }
  }

  #acquire(version: string, bytes: number): void {
    const entry = this.#entries.get(version) ?? this.#add(version);
    const { state } = entry;
    this.#move(entry, "acquire", state === "absent" ? "waiting" : state);
    if (state === "resident") {
      this.#lease(entry, 1);
      return;
    }
    if (entry.requests === 0) {
      entry.needs = this.sizeOf(version, bytes);
      this.#queue.push(entry);
    }
    entry.requests++;
  }

  #add(version: string): Entry {
    const counts = { bytes: 0, needs: 0, leases: 0, requests: 0, uses: unused };
    const entry: Entry = { version, state: "absent", method: "", ...counts };
    this.#entries.set(version, entry);
    return entry;
  }

  #loaded(entry: Entry, bytes: number, method: string): void {
    if (this.bytes - entry.bytes + bytes > this.#maxBytes) {
      // The adapter is larger in memory than in its files. It is unloaded, and waits again, first in the queue, with
      // its actual size.
      this.#sizes.set(entry.version, bytes);
      entry.needs = bytes;
      this.#queue.unshift(entry);
      this.#move(entry, "loaded", "unloading");
      return;
    }
    this.bytes += bytes - entry.bytes;
    entry.bytes = bytes;
    entry.method = method;
    this.#move(entry, "loaded", "resident");
    this.#grant(entry);
  }

  #failed(entry: Entry, error: unknown): void {
    this.#fail(entry, error);
    this.#move(entry, "failed", "absent");
  }

  #release(entry: Entry): void {
    entry.leases--;
    this.#move(entry, "release", this.#isUnused(entry) ? "unloading" : entry.state);
  }

  #unloaded(entry: Entry): void {
    this.#move(entry, "unloaded", entry.requests > 0 ? "waiting" : "absent");
  }

  #rename(named: Iterable<string>, pinned: ReadonlySet<string>): void {
    this.#named = new Set(named);
    this.#pinned = pinned;
    for (const entry of this.#entries.values()) {
      if (isOnModel(entry)) this.#move(entry, "rename", this.#isUnused(entry) ? "unloading" : entry.state);
    }
  }

  #isUnused({ leases, version }: Entry): boolean {
    return leases === 0 && !this.#named.has(version);
  }

  /** Throws for a transition that the table lacks. */
  protected check(from: AdapterState, event: Transition, to: AdapterState): void {
    if (transitions[from][event]?.includes(to)) return;
    throw new Error(`adapter cache: the table of transitions does not lead from ${from} by ${event} to ${to}`);
  }

  /** Changes a version's state, updates the number of used bytes, and adds the effects of the new state. */
  #move(entry: Entry, event: Transition, to: AdapterState): void {
    const { version, state: from } = entry;
    this.check(from, event, to);
    entry.state = to;
    if (to === from) return;
    if (to === "reading") {
      entry.bytes = entry.needs;
      this.bytes += entry.bytes;
      this.#effects.push({ type: "read", version });
    } else if (to === "unloading") {
      this.#effects.push({ type: "unload", version, givesWay: event === "evict" });
    } else if (to === "waiting" || to === "absent") {
      this.bytes -= entry.bytes;
      entry.bytes = 0;
    }
    if (to === "absent") this.#entries.delete(version);
  }

  #lease(entry: Entry, leases: number): void {
    entry.leases += leases;
    for (let i = 0; i < leases; i++) entry.uses = this.#uses.count(entry.version);
  }

  /** Gives leases to the requests that wait for a version. */
  #grant(entry: Entry): void {
    this.#lease(entry, entry.requests);
    entry.requests = 0;
    this.#effects.push({ type: "grant", version: entry.version });
  }

  /** Fails the requests that wait for a version. */
  #fail(entry: Entry, error: unknown): void {
    entry.requests = 0;
    this.#effects.push({ type: "reject", version: entry.version, error });
  }

  #reject(entry: Entry, error: ServingError): void {
    this.#queue.splice(this.#queue.indexOf(entry), 1);
    this.#fail(entry, error);
    this.#move(entry, "reject", entry.state === "waiting" ? "absent" : entry.state);
  }

  /**
   * Admits versions from the queue, in order, while enough memory is free. Then starts to make room for the first one
   * that is left.
   */
  #admitNext(): void {
    for (;;) {
      const head = this.#queue[0];
      if (head !== this.#head) {
        this.#setHead(head);
        continue;
      }
      if (head?.state !== "waiting") return;
      const most = this.#maxBytes - this.#pinnedBytes();
      if (head.needs > most) {
        this.#reject(head, this.#tooLarge(head.needs, most));
        continue;
      }
      if (!this.#makeRoom(head)) return;
      this.#queue.shift();
      this.#move(head, "admit", "reading");
    }
  }

  /**
   * Sets the first version in the queue. Versions that were draining for the previous first version become resident
   * again.
   */
  #setHead(head: Entry | undefined): void {
    this.#head = head;
    this.#isImpatient = false;
    for (const entry of this.#entries.values()) {
      if (entry.state !== "draining") continue;
      this.#move(entry, "keep", "resident");
      if (entry.requests === 0) continue;
      this.#queue.splice(this.#queue.indexOf(entry), 1);
      this.#grant(entry);
    }
  }

  /** Adds the effect that restarts or stops the timer for a new first version in the queue. */
  #setPatience(): void {
    const starts = this.#head !== undefined;
    if (starts || this.#isTimed) this.#effects.push({ type: "patience", starts });
    this.#isTimed = starts;
  }

  /**
   * Returns true if enough memory is free for a version. Otherwise returns false, and starts to evict other versions
   * or, after a long wait, to drain leased ones.
   */
  #makeRoom(head: Entry): boolean {
    let free = this.#maxBytes - this.bytes;
    if (head.needs <= free) return true;
    const [idle, leased]: Entry[][] = [[], []];
    let idleBytes = 0;
    for (const entry of this.#entries.values()) {
      if (entry.state === "unloading") free += entry.bytes;
      if (!isOnModel(entry) || this.#pinned.has(entry.version)) continue;
      if (entry.leases > 0) leased.push(entry);
      else {
        idle.push(entry);
        idleBytes += entry.bytes;
      }
    }
    if (head.needs <= free) return false;
    if (head.needs <= free + idleBytes) {
      for (const victim of inTurn(idle)) {
        if (head.needs <= free) break;
        free += victim.bytes;
        this.#move(victim, "evict", "unloading");
      }
    } else if (this.#isImpatient) {
      free += idleBytes;
      for (const victim of inTurn(leased)) {
        if (head.needs <= free) break;
        free += victim.bytes;
        if (victim.state === "resident") this.#move(victim, "drain", "draining");
      }
    }
    return false;
  }

  #pinnedBytes(): number {
    let sum = 0;
    for (const version of this.#pinned) sum += this.#entries.get(version)?.bytes ?? 0;
    return sum;
  }

  #tooLarge(bytes: number, most: number): ServingError {
    const maxBytes = this.#maxBytes;
    const pinned = most < maxBytes ? `, of which pinned adapters take ${maxBytes - most}` : "";
    return adapterRefused(
      `the adapter takes ${bytes} bytes, and maxAdapterBytes is ${maxBytes}${pinned}; give it more, or train a lower rank`,
    );
  }
}

function isOnModel({ state }: CachedAdapter): boolean {
  return state === "resident" || state === "draining";
}

/** Yields versions in the order in which to evict them: draining ones first, then those with the fewest uses. */
function* inTurn(able: readonly Entry[]): Generator<Entry, void, void> {
  // Both lists are made first, since the caller changes the state of each version.
  const draining = able.filter(({ state }) => state === "draining");
  const resident = able.filter(({ state }) => state === "resident");
  yield* leastFirst(draining);
  yield* leastFirst(resident);
}

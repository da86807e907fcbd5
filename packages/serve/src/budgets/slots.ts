import type { JobStore } from "../jobs/jobStore.ts";
import { jobsFolder, unavailable } from "../storage/adapterPlace.ts";
import { now, ownerKey } from "../storage/jobKeys.ts";
import { getJson, type ObjectStore } from "../storage/objects/objectStore.ts";

/** File or job that takes a slot. */
export interface SlotHolder {
  readonly id: string;
  /** Time when the holder took the slot, in seconds since 1970. */
  readonly at: number;
  /** True if the holder had a slot before and needs one again, such as a resumed job. */
  readonly reopens?: boolean;
}

/** Slot that was taken. */
export interface Slot {
  /** Key of the slot's object in the store. */
  readonly key: string;
  release(): Promise<void>;
}

/**
 * Stored object of a slot. Its content is the slot's holder. A slot can have several objects, one per generation; the
 * object with the highest `generation` is the valid one.
 */
interface Entry {
  readonly key: string;
  readonly index: number;
  readonly generation: number;
}

/**
 * Seconds for which a newly taken slot counts as held even if its file or job is not in the store yet. It must exceed
 * the differences between the servers' clocks.
 */
export const graceSeconds = 120;

/** Maximum number of attempts to take a slot. An attempt fails if another server takes the same slot first. */
const attempts = 200;

/**
 * Limits how many files or jobs an owner can have at once, even if several servers add them at the same time. Each file
 * or job takes one of `limit` numbered slots. Slot 7 is the object `start` + "000007/000000", which is created only if
 * it is absent. If a slot's holder no longer exists, for example because its server was killed, the slot is taken over
 * by creating its next generation, "000007/000001". Only one server can create each object.
 */
export class Slots {
  readonly #objects: ObjectStore;
  readonly #start: string;
  readonly #isHeld: (holder: SlotHolder) => Promise<boolean>;

  /**
   * `start` is the prefix of the keys of the owner's slots, and ends in "/". `isHeld` returns true while the file or
   * job that holds a slot exists and has not ended.
   */
  constructor(objects: ObjectStore, start: string, isHeld: (holder: SlotHolder) => Promise<boolean>) {
    this.#objects = objects;
    this.#start = start;
    this.#isHeld = isHeld;
  }

  /**
   * Takes a slot for the file or job `id`. If `options.reopens` is true, also releases earlier slots of `id`. Returns
   * null if `limit` slots are held.
   */
  async take(limit: number, id: string, options: Pick<SlotHolder, "reopens"> = {}): Promise<Slot | null> {
    const holder: SlotHolder = { id, at: now(), ...options };
    for (let attempt = 0; attempt < attempts; attempt++) {
      const taken = await this.#entries();
      const free = Array.from({ length: Math.min(limit, taken.size + 8) }, (_, i) => i).filter((i) => !taken.has(i));
      const target = taken.size < limit ? { index: anyOf(free), before: null } : await this.#abandoned(taken, limit);
      if (target === null) return null;
      const slot = await this.#claim(target.index, target.before, holder);
      if (slot && options.reopens) await this.#releaseOthers(slot.key, id);
      if (slot) return slot;
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 5 * Math.min(attempt, 10)));
    }
    throw unavailable(`the store gave no slot in ${attempts} attempts; try again`);
  }

  /** Returns the number of slots whose holder still exists. */
  async count(): Promise<number> {
    const held = await Promise.all([...(await this.#entries()).values()].map((entry) => this.#holderOf(entry)));
    const live = await Promise.all(held.map((holder) => holder !== null && this.#isHeld(holder)));
    return live.filter((is) => is).length;
  }

  /** Releases the slot at a key if `id` holds it. */
  async release(key: string, id: string): Promise<void> {
    if ((await getJson<SlotHolder>(this.#objects, key))?.id === id) await this.#objects.remove(key);
  }

  /**
   * Releases all slots that the file or job `id` holds, except the slot at `key`. Called when a holder takes a slot
   * again. A resumed job, for example, may still hold its earlier slot.
   */
  async #releaseOthers(key: string, id: string): Promise<void> {
    for (const entry of (await this.#entries()).values()) if (entry.key !== key) await this.release(entry.key, id);
  }

  /** Returns the current object of each slot, by the slot's number. */
  async #entries(): Promise<Map<number, Entry>> {
    const found = new Map<number, Entry>();
    // Keys are sorted, so that later generations come last.
    for (const { key } of await this.#objects.list(this.#start)) {
      const [, index, generation] = /^(\d+)\/(\d+)$/.exec(key.slice(this.#start.length)) ?? [];
      if (index) found.set(Number(index), { key, index: Number(index), generation: Number(generation) });
    }
    return found;
  }

  #holderOf({ key }: Entry): Promise<SlotHolder | null> {
    return getJson<SlotHolder>(this.#objects, key);
  }

  /**
   * Finds a slot number below `limit` that can be taken: the number of a slot whose holder no longer exists, or an
   * unused number. Returns null if all are held. `taken` contains the current object of each slot, by number.
   */
  async #abandoned(taken: ReadonlyMap<number, Entry>, limit: number) {
    const looks = [...taken.values()].map(async (entry) => {
      const holder = await this.#holderOf(entry);
      return { entry, holder, held: holder !== null && (await this.#isHeld(holder)) };
    });
    const looked = await Promise.all(looks);
    if (looked.filter(({ held }) => held).length >= limit) return null;
    const gone = looked.filter(({ held, entry }) => !held && entry.index < limit);
    if (gone.length > 0) {
      const { entry, holder } = anyOf(gone);
      // A slot without a holder was released after the list was read.
      return { index: entry.index, before: holder && { entry, id: holder.id } };
    }
    // A server with a higher limit may hold slots above this limit.
    const free = Array.from({ length: limit }, (_, i) => i).filter((i) => !taken.has(i));
    return free.length === 0 ? null : { index: anyOf(free), before: null };
  }

  /** Tries to take a slot by creating its object. Returns null if another server was faster. */
  async #claim(
    index: number,
    before: { readonly entry: Entry; readonly id: string } | null,
    holder: SlotHolder,
  ): Promise<Slot | null> {
    const generation = before ? before.entry.generation + 1 : 0;
    const folder = `${this.#start}${digits(index)}/`;
    const key = folder + digits(generation);
    if (!(await this.#objects.create(key, JSON.stringify(holder)))) return null;
    const rivals: string[] = [];
    for (const { key: other } of await this.#objects.list(folder)) {
      if (other === key) continue;
      const id = (await getJson<SlotHolder>(this.#objects, other))?.id;
      // The slot may have been released and taken since its holder was found to be gone.
      if (id !== undefined && id !== before?.id) rivals.push(other);
    }
    if (rivals.length > 0) {
      await this.#objects.remove(key);
      return null;
    }
    if (before) await this.#objects.remove(before.entry.key);
    return { key, release: () => this.release(key, holder.id) };
  }
}

function digits(value: number): string {
  return String(value).padStart(6, "0");
}

function anyOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)];
}

/**
 * Returns the slots that limit an owner's waiting and running jobs. Jobs for all models in the store share these slots.
 */
export async function jobSlots(jobs: JobStore, owner: string): Promise<Slots> {
  return new Slots(jobs.objects, `${jobsFolder}/slots/${await ownerKey(owner)}/jobs/`, async ({ id, at, reopens }) => {
    const isYoung = now() - at < graceSeconds;
    if (reopens && isYoung) return true;
    if ((await jobs.end({ id })) !== null) return false;
    // The order is written after the slot.
    return isYoung || (await jobs.find(owner, id)) !== null;
  });
}

import { plural } from "../api/plural.ts";
import type { FileStore } from "../jobs/fileStore.ts";
import type { JobStore } from "../jobs/jobStore.ts";
import { jobsFolder } from "../storage/adapterPlace.ts";
import { newId, now, ownerKey, runFolder } from "../storage/jobKeys.ts";
import { getJson } from "../storage/objects/objectStore.ts";
import { BudgetError } from "./budgetError.ts";
import type { KeyBudgets } from "./keyBudgets.ts";
import { graceSeconds, type Slot, type SlotHolder, Slots } from "./slots.ts";

/** Bytes reserved by an upload in progress. */
interface Reservation {
  readonly bytes: number;
  /** Time when the running upload last renewed the reservation, in seconds since 1970. */
  readonly at: number;
}

/** Upload that was admitted, so that its slot and bytes are reserved. */
export interface Upload {
  /** Id that the uploaded file gets. */
  readonly id: string;
  /** Key of the store object for the slot that the file takes. Slots limit an owner's number of files. */
  readonly slot: string;
  /** Yields the pieces of `content` unchanged. Throws `BudgetError` if they exceed the reserved bytes. */
  within(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array>;
  /** Frees the reserved bytes, and also the slot if no file was stored. */
  end(stored: boolean): Promise<void>;
}

/** Milliseconds after which a running upload renews its reservation. */
const refreshMs = (graceSeconds * 1000) / 4;

/** Admits uploads to a store. Each upload takes a slot and reserves bytes before its first byte is stored. */
export class Uploads {
  readonly #files: FileStore;
  readonly #stored: StoredBytes;

  constructor(files: FileStore, stored: StoredBytes) {
    this.#files = files;
    this.#stored = stored;
  }

  /** Returns the slots of an owner's uploaded files. */
  async slots(owner: string): Promise<Slots> {
    const isHeld = async ({ id, at }: SlotHolder) => {
      if (now() - at < graceSeconds || (await this.#files.find(owner, id))) return true;
      const reserved = await getJson<Reservation>(this.#files.objects, `${await folderOf(owner)}${id}`);
      return reserved !== null && isAlive(reserved);
    };
    return new Slots(this.#files.objects, `${jobsFolder}/slots/${await ownerKey(owner)}/files/`, isHeld);
  }

  /**
   * Begins an upload. If `exact` is true, reserves `bytes` bytes. Otherwise reserves `bytes`, or as many as the owner
   * has left if that is less. Throws `BudgetError` if the owner has too many files or bytes.
   */
  async begin(
    owner: string,
    { files, storedBytes }: Pick<KeyBudgets, "files" | "storedBytes">,
    { bytes, exact }: { readonly bytes: number; readonly exact: boolean },
  ): Promise<Upload> {
    const id = newId("file");
    const slot = await (await this.slots(owner)).take(files, id);
    if (slot === null) {
      throw new BudgetError(`This key already has ${plural(files, "file")}, which is its limit; delete some.`, {
        ...{ retryAfter: null, code: "too_many_files" },
      });
    }
    try {
      return await this.#reserve(owner, id, slot, { storedBytes, bytes, exact });
    } catch (error) {
      await slot.release().catch(() => undefined);
      throw error;
    }
  }

  async #reserve(
    owner: string,
    id: string,
    slot: Slot,
    { storedBytes, bytes, exact }: { storedBytes: number; bytes: number; exact: boolean },
  ): Promise<Upload> {
    const { objects } = this.#files;
    const key = `${await folderOf(owner)}${id}`;
    const used = await this.used(owner);
    const left = storedBytes - used;
    const wanted = exact ? bytes : Math.min(bytes, left);
    const refuse = (): never => {
      throw new BudgetError(
        `This key has stored ${used} of its ${storedBytes} bytes, and the file needs ${exact ? bytes : "more"}; delete files or fine-tuned models.`,
        { retryAfter: null, param: "file", code: "stored_bytes_exceeded" },
      );
    };
    if (wanted > left || left <= 0) refuse();
    const write = () => objects.put(key, JSON.stringify({ bytes: wanted, at: now() } satisfies Reservation));
    await write();
    // Concurrent uploads count each other's reservations, so that together they stay within the budget.
    if ((await this.used(owner)) > storedBytes) {
      await objects.remove(key);
      refuse();
    }
    const timer = setInterval(() => void write().catch(() => undefined), refreshMs);
    if (typeof timer === "object") timer.unref();
    return {
      ...{ id, slot: slot.key },
      within: async function* (content) {
        let bytes = 0;
        for await (const piece of content) {
          bytes += piece.length;
          if (bytes > wanted) refuse();
          yield piece;
        }
      },
      end: async (stored) => {
        clearInterval(timer);
        await objects.remove(key);
        if (!stored) await slot.release();
      },
    };
  }

  /** Returns the bytes that an owner has stored, including uploads in progress. */
  async used(owner: string): Promise<number> {
    const { objects } = this.#files;
    const [stored, found] = await Promise.all([this.#stored.of(owner), objects.list(await folderOf(owner))]);
    const reserved = await Promise.all(found.map(({ key }) => getJson<Reservation>(objects, key)));
    return reserved.reduce((sum, item) => sum + (item && isAlive(item) ? item.bytes : 0), stored);
  }
}

function isAlive({ at }: Reservation): boolean {
  return now() - at < graceSeconds;
}

async function folderOf(owner: string): Promise<string> {
  return `${jobsFolder}/uploads/${await ownerKey(owner)}/`;
}

/** Milliseconds for which the total size of a fine-tuning run's files is cached. */
const rememberMs = 60_000;

/** Computes the bytes that an owner has in the store: files, and fine-tuning runs with their adapters. */
export class StoredBytes {
  readonly #files: FileStore;
  readonly #jobs: JobStore;
  readonly #now: () => number;
  /** Size of each file in bytes, by id. Sizes never change. */
  readonly #ofFiles = new Map<string, number>();
  readonly #ofRuns = new Map<string, { readonly bytes: number; readonly until: number }>();

  /** `now` returns milliseconds. */
  constructor(files: FileStore, jobs: JobStore, now: () => number = Date.now) {
    this.#files = files;
    this.#jobs = jobs;
    this.#now = now;
  }

  /** Returns the stored bytes of an owner. Sizes of runs are up to a minute old. */
  async of(owner: string): Promise<number> {
    const [files, jobs] = await Promise.all([this.#files.ids(owner), this.#jobs.ids(owner)]);
    const sizes = [
      ...files.map(async (id) => this.#ofFiles.get(id) ?? this.#readFile(owner, id)),
      ...jobs.map((id) => this.#ofRun(id)),
    ];
    return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Removes the cached size of a fine-tuning run. Call this method after files of the run were removed. */
  forgetRun(id: string): void {
    this.#ofRuns.delete(id);
  }

  async #readFile(owner: string, id: string): Promise<number> {
    const bytes = (await this.#files.find(owner, id))?.bytes;
    if (bytes !== undefined) this.#ofFiles.set(id, bytes);
    return bytes ?? 0;
  }

  async #ofRun(id: string): Promise<number> {
    const known = this.#ofRuns.get(id);
    if (known && known.until > this.#now()) return known.bytes;
    const found = await this.#jobs.objects.list(`${runFolder(id)}/`);
    const bytes = found.reduce((sum, { size }) => sum + size, 0);
    this.#ofRuns.set(id, { bytes, until: this.#now() + rememberMs });
    return bytes;
  }
}

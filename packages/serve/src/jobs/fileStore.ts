import { jobsFolder } from "../storage/adapterPlace.ts";
import { isId, newId, now, ownerKey } from "../storage/jobKeys.ts";
import { getJson, type ObjectStore } from "../storage/objects/objectStore.ts";

/** The prefix of a file's id. */
const filePrefix = "file";

/** A file that a key has uploaded, or that a job has made. */
export interface StoredFile {
  readonly id: string;
  readonly bytes: number;
  /** Seconds since 1970. */
  readonly createdAt: number;
  readonly filename: string;
  readonly purpose: "fine-tune" | "fine-tune-results";
  /** The most examples that it holds: its lines that are not empty. */
  readonly lines: number;
  /** The key of its slot in the owner's limit of files; null for the file of a job. */
  readonly slot: string | null;
}

/** The files of a store, each seen by its owner alone. */
export class FileStore {
  readonly objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  /**
   * Writes a file piece by piece. It is there once it is whole. Throws what `content` throws, with
   * nothing left. The same `id` takes the place of the file before.
   */
  async add(
    owner: string,
    content: AsyncIterable<Uint8Array>,
    facts: Pick<StoredFile, "filename" | "purpose" | "slot">,
    id: string = newId(filePrefix),
  ): Promise<StoredFile> {
    let [bytes, lines, last] = [0, 0, 10];
    const counted = async function* () {
      for await (const piece of content) {
        bytes += piece.length;
        for (const byte of piece) {
          // A line counts at its first byte.
          if (last === 10 && byte !== 10 && byte !== 13) lines++;
          last = byte;
        }
        yield piece;
      }
    };
    try {
      await this.objects.put(contentKey(id), counted());
    } catch (error) {
      await this.objects.remove(contentKey(id)).catch(() => undefined);
      throw error;
    }
    const file: StoredFile = { id, bytes, createdAt: now(), lines, ...facts };
    await this.objects.put(await factsKey(owner, id), JSON.stringify(file));
    return file;
  }

  /** Returns an owner's file; null for one of another, and for none. */
  async find(owner: string, id: string): Promise<StoredFile | null> {
    return isId(id, filePrefix) ? getJson<StoredFile>(this.objects, await factsKey(owner, id)) : null;
  }

  /** Gives the content of a file that was found. */
  content({ id }: StoredFile): AsyncIterable<Uint8Array<ArrayBuffer>> {
    return this.objects.read(contentKey(id));
  }

  /** Returns the ids of an owner's files, the newest first. */
  async ids(owner: string): Promise<string[]> {
    const start = (await factsKey(owner, "")).slice(0, -".json".length);
    const found = await this.objects.list(start);
    return found.map(({ key }) => key.slice(start.length, -".json".length)).reverse();
  }

  async remove(owner: string, { id }: StoredFile): Promise<void> {
    await this.objects.remove(await factsKey(owner, id));
    await this.objects.remove(contentKey(id));
  }
}

function contentKey(id: string): string {
  return `${jobsFolder}/content/${id}`;
}

async function factsKey(owner: string, id: string): Promise<string> {
  return `${jobsFolder}/files/${await ownerKey(owner)}/${id}.json`;
}

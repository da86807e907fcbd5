import { jobsFolder } from "../storage/adapterPlace.ts";
import { isId, newId, now, ownerKey } from "../storage/jobKeys.ts";
import { getJson, type ObjectStore } from "../storage/objects/objectStore.ts";

/** Prefix of file ids. */
const filePrefix = "file";

/** File that a client uploaded with its API key, or that a job wrote for its owner. */
export interface StoredFile {
  readonly id: string;
  readonly bytes: number;
  /** Time of the upload, in seconds since 1970. */
  readonly createdAt: number;
  readonly filename: string;
  readonly purpose: "fine-tune" | "fine-tune-results";
  /** Number of non-empty lines. The file cannot contain more examples than this. */
  readonly lines: number;
  /**
   * Key of the stored object that marks this file as one of the files its owner may have. Null for a file that a job
   * wrote, since such files do not count towards the limit.
   */
  readonly slot: string | null;
}

/** Files for fine-tuning in an object store. Each file is visible only to its owner. */
export class FileStore {
  readonly objects: ObjectStore;

  constructor(objects: ObjectStore) {
    this.objects = objects;
  }

  /**
   * Writes a file in chunks. Readers can find the file only when it is complete. Replaces a file with the same `id`. If
   * reading `content` fails, throws that error and removes the incomplete file.
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

  /** Returns an owner's file; null if it does not exist or belongs to another owner. */
  async find(owner: string, id: string): Promise<StoredFile | null> {
    return isId(id, filePrefix) ? getJson<StoredFile>(this.objects, await factsKey(owner, id)) : null;
  }

  /** Yields the content of a file. */
  content({ id }: StoredFile): AsyncIterable<Uint8Array<ArrayBuffer>> {
    return this.objects.stream(contentKey(id));
  }

  /** Returns the ids of an owner's files, newest first. */
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

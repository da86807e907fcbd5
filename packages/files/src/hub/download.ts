import { InterruptedBody } from "../sources/interruptedBody.ts";
import type { Bringing, HubFile } from "./hubStore.ts";

/** The part of a file that has come. */
export interface PartialFile {
  /** The number of bytes from the file's start that are there. */
  readonly length: number;
  /**
   * Adds bytes at `position`, which is at most `length`. Two downloads of one file may write at
   * once: both start within what is there, and their bytes are the same.
   */
  write(position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Keeps what is there for a later download. */
  keep(): Promise<void>;
  /** Throws away what is there. */
  discard(): Promise<void>;
  /** Makes it the whole file. */
  finish(): Promise<void>;
}

/**
 * Attempts in a row that may bring nothing. Each goes on where the one before broke; a connection
 * that breaks can take along bytes that had come.
 */
const mostFruitless = 3;

/**
 * Downloads a whole file into its part. What an interrupted download left there is
 * not fetched again. A broken connection is tried again, until three attempts in a row bring
 * nothing; a file of another length than the hub says is refused.
 */
export async function download(part: PartialFile, commit: string, file: HubFile, from: Bringing): Promise<void> {
  try {
    await fill(part, commit, file, from);
  } catch (error) {
    await (error instanceof WrongLength ? part.discard() : part.keep());
    throw error;
  }
  await part.finish();
}

class WrongLength extends Error {}

async function fill(
  part: PartialFile,
  commit: string,
  file: HubFile,
  { client, label, onProgress, signal }: Bringing,
): Promise<void> {
  const { path: name, size: total } = file;
  const { read } = await client();
  const check = (length: number) => {
    const told = `${label}: the hub says that ${name} has ${total} bytes, and ${length} came; nothing was kept`;
    if (length !== total) throw new WrongLength(told);
  };
  if (part.length > total) check(part.length);
  onProgress?.({ loaded: part.length, total, name });
  for (let fruitless = 0; part.length < total; ) {
    const before = part.length;
    try {
      for await (const { position, bytes } of read(commit, file, before)) {
        if (position + bytes.length > total) check(position + bytes.length);
        await part.write(position, bytes);
        signal?.throwIfAborted();
        onProgress?.({ loaded: position + bytes.length, total, name });
      }
    } catch (error) {
      if (!(error instanceof InterruptedBody)) throw error;
      fruitless = part.length > before ? 0 : fruitless + 1;
      if (fruitless < mostFruitless) continue;
      const have = `${name} broke off after ${part.length} of ${total} bytes`;
      throw new Error(`${label}: ${have} (${error.message}); they are kept: load again to go on`, { cause: error });
    }
    check(part.length);
  }
}

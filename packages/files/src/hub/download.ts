import { InterruptedBody } from "../sources/interruptedBody.ts";
import type { Bringing, HubFile } from "./hubStore.ts";

/** A partially downloaded file. */
export interface PartialFile {
  /** The number of bytes stored, from the file's start. */
  readonly length: number;
  /**
   * Writes bytes at `position`, which must be at most `length`. Two downloads of one file may write at once: both start
   * within the stored bytes, and write equal bytes.
   */
  write(position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Keeps the stored bytes for a later download. */
  keep(): Promise<void>;
  /** Deletes the stored bytes. */
  discard(): Promise<void>;
  /** Turns it into the complete file. */
  finish(): Promise<void>;
}

/**
 * The number of consecutive attempts without new bytes before the download fails. Each attempt resumes after the stored
 * bytes; a broken connection may lose bytes that had been sent.
 */
const mostFruitless = 3;

/**
 * Downloads a whole file into `part`, and resumes after the bytes of an interrupted download. A broken connection is
 * retried, until three attempts in a row bring no bytes. Throws if the file's length differs from the hub's listing.
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
  const refuse = (length: number): never => {
    throw new WrongLength(
      `${label}: the hub says that ${name} has ${total} bytes, and ${length} came; nothing was kept`,
    );
  };
  if (part.length > total) refuse(part.length);
  onProgress?.({ loaded: part.length, total, name });
  for (let fruitless = 0; part.length < total; ) {
    const before = part.length;
    try {
      for await (const { position, bytes } of read(commit, file, before)) {
        const end = position + bytes.length;
        if (end > total) refuse(end);
        await part.write(position, bytes);
        signal?.throwIfAborted();
        onProgress?.({ loaded: end, total, name });
      }
    } catch (error) {
      if (!(error instanceof InterruptedBody)) throw error;
      fruitless = part.length > before ? 0 : fruitless + 1;
      if (fruitless < mostFruitless) continue;
      const have = `${name} broke off after ${part.length} of ${total} bytes`;
      throw new Error(`${label}: ${have} (${error.message}); they are kept: load again to go on`, { cause: error });
    }
    if (part.length !== total) refuse(part.length);
  }
}

import { InterruptedBody } from "../sources/interruptedBody.ts";
import type { Bringing, HubFile } from "./hubStore.ts";

/** A partially downloaded file. */
export interface PartialFile {
  /** Number of bytes stored so far, from the start of the file. */
  readonly length: number;
  /**
   * Stores bytes at `position`, which must be at most `length`. Two downloads of the same file may write at once, since
   * the bytes of both are equal.
   */
  write(position: number, bytes: Uint8Array<ArrayBuffer>): Promise<void>;
  /** Ends this download, and keeps the stored bytes for a later one. */
  keep(): Promise<void>;
  /** Ends this download, and deletes the stored bytes. */
  discard(): Promise<void>;
  /** Ends the download, and gives the complete file its final name. */
  finish(): Promise<void>;
}

/** Number of consecutive attempts without new bytes after which a download fails. */
const mostFruitless = 3;

/**
 * Downloads a whole file into `part`, after the bytes that an interrupted download stored. Reconnects if the connection
 * breaks; fails after three attempts in a row without new bytes. Throws if the file's length differs from the length
 * that the hub lists.
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
      throw new Error(`${label}: ${have} (${error.message}); the bytes are kept: load again to resume`, {
        cause: error,
      });
    }
    if (part.length !== total) refuse(part.length);
  }
}

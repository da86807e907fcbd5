import type { OnProgress } from "@lowrank/core";
import { InterruptedBody } from "../interruptedBody.ts";
import type { HubClient } from "./hubClient.ts";
import type { HubFile, HubStore, PartialFile } from "./hubStore.ts";

/**
 * Attempts in a row that may bring nothing. Each goes on where the one before broke; a connection
 * that breaks can take along bytes that had come.
 */
const mostFruitless = 3;

/** The way of a file into the store. */
interface DownloadOptions {
  label: string;
  onProgress?: OnProgress;
  signal?: AbortSignal;
}

/**
 * Brings a file of a commit into the store. What an interrupted download left there is not fetched
 * again. A broken connection is tried again, until three attempts in a row bring nothing; a file of
 * another length than the hub says is refused.
 */
export async function download(
  client: HubClient,
  store: HubStore,
  commit: string,
  file: HubFile,
  options: DownloadOptions,
): Promise<void> {
  if (!(await store.holds(file))) {
    const part = await store.openPartial(file);
    try {
      await fill(client, part, commit, file, options);
    } catch (error) {
      await (error instanceof WrongLength ? part.discard() : part.keep());
      throw error;
    }
    await part.finish();
  }
  await store.link(commit, file);
}

class WrongLength extends Error {}

async function fill(
  client: HubClient,
  part: PartialFile,
  commit: string,
  file: HubFile,
  { label, onProgress, signal }: DownloadOptions,
): Promise<void> {
  const { path: name, size: total } = file;
  const check = (length: number) => {
    const told = `${label}: the hub says that ${name} has ${total} bytes, and ${length} came; nothing was kept`;
    if (length !== total) throw new WrongLength(told);
  };
  if (part.length > total) check(part.length);
  onProgress?.({ loaded: part.length, total, name });
  for (let fruitless = 0; part.length < total; ) {
    const before = part.length;
    try {
      for await (const { position, bytes } of client.read(commit, file, before)) {
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

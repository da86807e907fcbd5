import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFile } from "@lowrank/files";
import { expect, test } from "vitest";
import { parquetRecords } from "./parquetRecords.ts";

test("a file with several broken parts is one error, and no rejection is left unhandled", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  const path = join(folder, "chats.parquet");
  const bytes = new Uint8Array(await readFile(join(import.meta.dirname, "../testing/chats.snappy.parquet")));
  // Where the second column says how long it is: its end is then before its start.
  bytes[970] = 0;
  await writeFile(path, bytes);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const records = Array.fromAsync(parquetRecords(await openFile(path), "chats.parquet"));
    await expect(records).rejects.toThrow("chats.parquet is no Parquet file, or damaged: a page of its column id");
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
    await rm(folder, { recursive: true });
  }
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openFile } from "@lowrank/files";
import { expect, test } from "vitest";
import { parquetRecords } from "./parquetRecords.ts";

test("a file with several broken parts is one error, and no rejection is left unhandled", async () => {
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  const path = join(folder, "chats.parquet");
  const bytes = new Uint8Array(await readFile(join(import.meta.dirname, "../../testing/chats.snappy.parquet")));
  // Byte 970 is the length of the second column; with 0 its end precedes its start.
  bytes[970] = 0;
  await writeFile(path, bytes);
  const unhandled: unknown[] = [];
  const note = (reason: unknown) => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  try {
    const records = Array.fromAsync(parquetRecords(await openFile(path), "chats.parquet"));
    await expect(records).rejects.toThrow("chats.parquet is no Parquet file, or damaged: a page of column id");
    await new Promise((resolve) => setImmediate(resolve));
    expect(unhandled).toEqual([]);
  } finally {
    process.off("unhandledRejection", note);
    await rm(folder, { recursive: true });
  }
});

/** Reads the records of a test file after `change` has modified its bytes. */
async function readAll(file: string, change: (bytes: DataView<ArrayBuffer>) => void = () => {}) {
  const bytes = new Uint8Array(await readFile(join(import.meta.dirname, "../../testing", file)));
  change(new DataView(bytes.buffer));
  const folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  try {
    await writeFile(join(folder, file), bytes);
    const records = await Array.fromAsync(parquetRecords(await openFile(join(folder, file)), file));
    for (const [i, { where }] of records.entries()) expect(where).toBe(`${file}: row ${i + 1}`);
    return records.map(({ value }) => value);
  } finally {
    await rm(folder, { recursive: true });
  }
}

// Written by pyarrow 26.0.1: lists, nulls, dictionaries, delta encodings, runs; pages of both versions.
test.each(["kinds.v1.parquet", "kinds.v2.parquet"])("%s has the values that were written", async (file) => {
  const written = JSON.parse(await readFile(join(import.meta.dirname, "../../testing/kinds.json"), "utf8"));
  expect(await readAll(file)).toEqual(written);
});

test("a run of levels longer than its page is an error before room is made for it", async () => {
  const records = readAll("chats.snappy.parquet", (bytes) => bytes.setBigInt64(341, -(2n ** 31n), true));
  await expect(records).rejects.toThrow("damaged: a page has a run of 2147483584 values, but only 2 values are left");
});

test.each([
  [new TypeError("x is undefined"), "its counts contradict each other"],
  [new RangeError("out of bounds"), "its counts contradict each other"],
  [new Error("the disk is gone"), "the disk is gone"],
])("%s while reading is an error of the file", async (cause, reason) => {
  const source = { size: 100, label: "f", read: () => Promise.reject(cause) };
  await expect(Array.fromAsync(parquetRecords(source as never, "f"))).rejects.toThrow(
    `f is no Parquet file, or damaged: ${reason}`,
  );
});

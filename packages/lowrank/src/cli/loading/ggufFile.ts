import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { openFiles, writeFolder } from "@lowrank/files";
import { type GgufDType, toGguf, writeGguf } from "@lowrank/models";

/** Tensor types of a GGUF file that was written, and notes on properties of the model that the format cannot store. */
interface WrittenGguf {
  /** Tensor counts by type, as in "61 F32, 210 Q8_0 tensors". */
  readonly types: string;
  readonly notes: readonly string[];
  readonly bytes: number;
}

/** Writes the model in a folder as a GGUF file. */
export async function writeGgufFile(
  folder: string,
  output: string,
  { dtype, name }: { dtype: GgufDType; name: string },
): Promise<WrittenGguf> {
  const conversion = await toGguf(await openFiles(folder), { dtype, name });
  await writeFolder(dirname(output), new Map([[basename(output), withProgress(writeGguf(conversion))]]));
  const types = countTypes(conversion.tensors.map(({ type }) => type));
  return { types, notes: conversion.notes, bytes: (await stat(output)).size };
}

/**
 * Passes `pieces` through and shows the bytes written so far on stderr if that is a terminal. Clears the line at the
 * end.
 */
export async function* withProgress(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  const say = (text: string) => process.stderr.isTTY && process.stderr.write(`\r\x1b[K${text}`);
  let written = 0;
  try {
    for await (const piece of pieces) {
      yield piece;
      written += piece.length;
      say(`${(written / 1e6).toFixed(0)} MB written`);
    }
  } finally {
    say("");
  }
}

/** Counts tensors by type, as in "61 F32, 210 Q4_1 tensors". */
export function countTypes(types: readonly string[]): string {
  const counts = [...new Set(types)].map((type) => `${types.filter((other) => other === type).length} ${type}`);
  return `${counts.join(", ")} tensors`;
}

import { stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { openFiles, writeFolder } from "@lowrank/files";
import { type GgufDType, toGguf, writeGguf } from "@lowrank/models";

/** The weights of a written file, in words, and notes on what it could not say. */
interface WrittenGguf {
  /** "61 F32, 210 Q8_0 tensors". */
  readonly types: string;
  readonly notes: readonly string[];
  readonly bytes: number;
}

/** Writes the model of a folder as a GGUF file. */
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

/** Says on a terminal's stderr how much has been written; the line goes at the end. */
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

/** "61 F32, 210 Q4_1 tensors". */
export function countTypes(types: readonly string[]): string {
  const counts = [...new Set(types)].map((type) => `${types.filter((other) => other === type).length} ${type}`);
  return `${counts.join(", ")} tensors`;
}

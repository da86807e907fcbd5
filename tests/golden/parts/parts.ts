import type { ModelFiles } from "@lowrank/files";
import { adapters } from "../adapters/adapters.ts";
import { qlora } from "../adapters/qlora.ts";
import { weighted } from "../adapters/weighted.ts";
import type { GoldenPart } from "../check/goldenFiles.ts";
import { models } from "../models/models.ts";
import { nf4 } from "../ops/nf4.ts";
import { ops } from "../ops/ops.ts";

/** Yields all parts of the golden data in a folder with the layout of `golden/README.md`. */
export async function* goldenParts(files: ModelFiles): AsyncGenerator<GoldenPart> {
  for (const suite of [ops, models, adapters, weighted, qlora, nf4]) yield* suite(files);
}

/** Returns true if `only` is empty or names the part or a folder that contains it. */
export function isWanted(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((wanted) => name === wanted || name.startsWith(`${wanted}/`));
}

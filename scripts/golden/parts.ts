import type { ModelFiles } from "@lowrank/files";
import { adapters } from "./adapters.ts";
import { models } from "./models.ts";
import { nf4 } from "./nf4.ts";
import { ops } from "./ops.ts";
import type { GoldenPart } from "./part.ts";
import { qlora } from "./qlora.ts";
import { weighted } from "./weighted.ts";

/** All parts of the golden data in a folder that is laid out as `golden/README.md` says. */
export async function* goldenParts(files: ModelFiles): AsyncGenerator<GoldenPart> {
  for (const suite of [ops, models, adapters, weighted, qlora, nf4]) yield* suite(files);
}

/** Returns true for a part that is named, itself or by a folder around it; for all if none is. */
export function isWanted(name: string, only: readonly string[]): boolean {
  return only.length === 0 || only.some((wanted) => name === wanted || name.startsWith(`${wanted}/`));
}

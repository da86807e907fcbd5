import { core } from "./equivalent/core.ts";
import type { Places } from "./equivalent/equivalents.ts";
import { files } from "./equivalent/files.ts";
import { lowrank } from "./equivalent/lowrank.ts";
import { models } from "./equivalent/models.ts";
import { nano } from "./equivalent/nano.ts";
import { nn } from "./equivalent/nn.ts";
import { peft } from "./equivalent/peft.ts";
import { serve } from "./equivalent/serve.ts";
import { train } from "./equivalent/train.ts";
import { wasm } from "./equivalent/wasm.ts";
import { webgpu } from "./equivalent/webgpu.ts";
import { type Mutation, mutationsOf } from "./mutations.ts";

/** Mutants that change no result, identified by their file, the text of their line and the change. */
interface Equivalent {
  readonly file: string;
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
  readonly places: Places;
}

/** Mutants that change no result. At most 5 of 100 random mutants may be in this list. */
export const equivalent: readonly Equivalent[] = Object.entries({
  core,
  files,
  lowrank,
  models,
  nano,
  nn,
  peft,
  serve,
  train,
  wasm,
  webgpu,
}).flatMap(([name, list]) =>
  list.map(([path, line, from, to, why, places = { of: 1 }]) => {
    return { file: `packages/${name}/src/${path}`, line, from, to, why, places };
  }),
);

/** Returns the mutants of a file, of `all`, that have the code and the line of an entry. */
export function placesOf(text: string, all: readonly Mutation[], { line, from, to }: Equivalent): Mutation[] {
  const lines = text.split("\n");
  return all.filter((own) => own.from === from && own.to === to && lines[own.line - 1].trim() === line);
}

/** True if the change of a file is in the list. */
export function isEquivalent(file: string, text: string, { line, start, from, to }: Mutation): boolean {
  const words = text.split("\n")[line - 1].trim();
  const one = equivalent.find((it) => it.file === file && it.line === words && it.from === from && it.to === to);
  if (!one?.places.listed) return one !== undefined;
  return one.places.listed.includes(
    placesOf(text, mutationsOf(file, text), one).findIndex((own) => own.start === start) + 1,
  );
}

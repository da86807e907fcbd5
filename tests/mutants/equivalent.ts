import { core } from "./equivalent/core.ts";
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
import type { Mutation } from "./mutations.ts";

/** A mutant that changes no result, identified by its file, the text of its line and the change. */
interface Equivalent {
  readonly file: string;
  readonly line: string;
  readonly from: string;
  readonly to: string;
  readonly why: string;
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
  list.map(([file, line, from, to, why]) => ({ file: `packages/${name}/src/${file}`, line, from, to, why })),
);

/** True if the change of a file is in the list. */
export function isEquivalent(file: string, text: string, { line, from, to }: Mutation): boolean {
  const words = text.split("\n")[line - 1].trim();
  return equivalent.some((one) => one.file === file && one.line === words && one.from === from && one.to === to);
}

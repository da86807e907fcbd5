import type { Check } from "./compare.ts";

/** A part of the golden data that is checked separately: an op, a model, an adapter. */
export interface GoldenPart {
  /** Its path, as for `--only`: "models/llama". */
  readonly name: string;
  checks(): AsyncIterable<Check>;
}

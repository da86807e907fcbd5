import type { Check } from "./compare.ts";

/** A part of the golden data that is checked by itself: an op, a model, an adapter. */
export interface GoldenPart {
  /** Its place, as `--only` names it: "models/llama". */
  readonly name: string;
  checks(): AsyncIterable<Check>;
}

import type { Op } from "../../engine/op.ts";
import { extremum } from "./extremum.ts";

/** Returns the smallest element along `dim`, which is kept with size 1, and its i32 position. */
export const min: Op<1, { dim: number }, 2> = extremum("min", (a, b) => a < b);

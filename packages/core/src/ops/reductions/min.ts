import type { Op } from "../../engine/op.ts";
import { extremum } from "./extremum.ts";

/** Returns the smallest element of each lane along `dim`, and its position. */
export const min: Op<1, { dim: number }, 2> = extremum("min", (a, b) => a < b);

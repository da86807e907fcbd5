import type { Op } from "../../engine/op.ts";
import { extremum } from "./extremum.ts";

/** Returns the largest element of each lane along `dim`, and its position. */
export const max: Op<1, { dim: number }, 2> = extremum("max", (a, b) => a > b);

import { codebook } from "../../backends/codebook.ts";
import type { FourBitFormat } from "../../backends/packedFormat.ts";
import { fourBitFormat } from "./fourBit.ts";

const positive = [0, 0.0052083334885537624, 2 / 3, 1, 1 / 3, 0.5, 1 / 6, 0.25];

/**
 * bitsandbytes' fp4: 4-bit floats with a sign bit, so there is a positive and a negative zero. As in bitsandbytes,
 * values just above 0 become the negative zero.
 */
export const fp4: FourBitFormat = fourBitFormat(
  "fp4",
  codebook(
    [...positive, 0, ...positive.slice(1).map((v) => -v)],
    [11, 10, 13, 12, 15, 14, 9, 0, 8, 1, 6, 7, 4, 5, 2, 3],
  ),
);

import { codebook } from "../../backends/codebook.ts";
import type { FourBitFormat } from "../../backends/packedFormat.ts";
import { fourBitFormat } from "./fourBit.ts";

/**
 * bitsandbytes' nf4, whose 16 values are quantiles of a normal distribution. Dettmers et al. 2023,
 * https://arxiv.org/abs/2305.14314
 */
export const nf4: FourBitFormat = fourBitFormat(
  "nf4",
  codebook(
    [
      ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
      ...[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0],
      ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
      ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
    ],
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
  ),
);

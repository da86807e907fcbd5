import type { GpuFacts } from "../../kernel.ts";
import { spanOf, type TileName } from "./tiles.ts";

/** The sizes of a product: [m, k] by [k, n], `batches` times. */
export interface ProductSizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  /** True if the second operand lies as [n, k]. */
  readonly transposeB: boolean;
}

/** The work of a product in pieces: its tile, and parts of `each` terms into which sums are cut. */
export interface Cut {
  readonly tile: TileName;
  readonly parts: number;
  readonly each: number;
}

/** Workgroups that keep a device busy, and the least terms of a part of the sums. */
const enough = { software: { groups: 4, terms: 256 }, hardware: { groups: 256, terms: 128 } } as const;

const wanted = (software: boolean) => enough[software ? "software" : "hardware"];

/** Threads of a workgroup that share long sums need no parts until they are this long. */
const sharedTerms = 4096;

function tileOf({ m, n, batches, transposeB }: ProductSizes, software: boolean, square: TileName): TileName {
  if (m <= 4) {
    const rows = m === 3 ? 4 : (m as 1 | 2 | 4);
    if (software) return `alone ${rows}`;
    return transposeB ? `along ${rows}` : `down ${rows}`;
  }
  const reading = square.startsWith("direct") ? "direct" : "staged";
  if (n <= 8 || (n <= 16 && m > n)) return `${reading} tall`;
  if (m <= 16) return `${reading} wide`;
  const { height, width } = spanOf(square);
  const groups = batches * Math.ceil(m / height) * Math.ceil(n / width);
  return groups < wanted(software).groups / 4 ? `${reading} 4x4` : square;
}

/**
 * Chooses how a product is cut: a function of its sizes and the kind of device alone, so that the
 * same product has the same bits each time.
 */
export function cutOf(sizes: ProductSizes, { software, tile: measured }: Pick<GpuFacts, "software" | "tile">): Cut {
  const { m, n, k, batches } = sizes;
  const tile = tileOf(sizes, software, measured);
  const { height, width } = spanOf(tile);
  const groups = batches * Math.ceil(m / height) * Math.ceil(n / width);
  const least = wanted(software);
  const terms = m <= 4 && !software ? sharedTerms : least.terms;
  const most = Math.min(Math.ceil(least.groups / groups), Math.floor(k / terms));
  if (most < 2) return { tile, parts: 1, each: k };
  const each = 16 * Math.ceil(k / most / 16);
  return { tile, parts: Math.ceil(k / each), each };
}

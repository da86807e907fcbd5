import type { GpuFacts } from "../../kernel/kernel.ts";
import { spanOf, type TileName } from "../../kernel/tiles.ts";

/** The sizes of a matrix product: [m, k] by [k, n], for `batches` pairs of matrices. */
export interface ProductSizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  /** True if the second operand is stored as [n, k]. */
  readonly transposeB: boolean;
}

/**
 * The division of a matrix product: its tile, and the number of parts (`parts`) into which its sums over k are cut. A
 * part has `each` terms.
 */
interface Cut {
  readonly tile: TileName;
  readonly parts: number;
  readonly each: number;
  /**
   * True if each thread computes its sums in parts of `each` terms, one after the other, and adds up these parts
   * itself. `parts` is then 1, since no second kernel adds parts.
   */
  readonly blocks: boolean;
}

/**
 * For each kind of device: the number of workgroups that keep it busy, and the minimum number of terms in a part of a
 * sum.
 */
const enough = { software: { groups: 4, terms: 256 }, hardware: { groups: 256, terms: 128 } } as const;

/** Number of terms in a part of a sum in batch-invariant mode, where the order of additions may depend only on k. */
const invariantTerms = 256;

const wanted = (software: boolean) => enough[software ? "software" : "hardware"];

/** Minimum number of terms in a part of a sum if several threads of a workgroup already compute the sum together. */
const sharedTerms = 4096;

/** Properties of a device that decide how products are divided. */
export type CutFacts = Pick<GpuFacts, "software" | "tile" | "batchInvariant">;

function tileOf({ m, n, batches, transposeB }: ProductSizes, facts: CutFacts): TileName {
  const { software, tile: square, batchInvariant } = facts;
  // Threads that share a sum add its terms in an order that batch-invariant mode does not allow.
  if (m <= 4 && (software || !batchInvariant)) {
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
 * Chooses how a product is divided. The choice depends only on its sizes and the kind of device, so that the same
 * product has the same bits each time. In batch-invariant mode the terms of a sum are added in order, in parts of
 * `invariantTerms`: either one thread computes all parts, or several threads compute one each and the parts are added
 * in order.
 */
export function cutOf(sizes: ProductSizes, facts: CutFacts): Cut {
  const { software, batchInvariant } = facts;
  const { m, n, k, batches } = sizes;
  const tile = tileOf(sizes, facts);
  const { height, width } = spanOf(tile);
  const groups = batches * Math.ceil(m / height) * Math.ceil(n / width);
  const least = wanted(software);
  if (batchInvariant) {
    if (k <= invariantTerms) return { tile, parts: 1, each: k, blocks: false };
    const apart = groups < (software ? least.groups : least.groups / 4);
    const parts = apart ? Math.ceil(k / invariantTerms) : 1;
    return { tile, parts, each: invariantTerms, blocks: !apart };
  }
  const terms = m <= 4 && !software ? sharedTerms : least.terms;
  const most = Math.min(Math.ceil(least.groups / groups), Math.floor(k / terms));
  if (most < 2) return { tile, parts: 1, each: k, blocks: false };
  const each = 16 * Math.ceil(k / most / 16);
  return { tile, parts: Math.ceil(k / each), each, blocks: false };
}

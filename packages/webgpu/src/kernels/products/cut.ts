import type { GpuFacts } from "../../kernel/kernel.ts";
import { spanOf, type TileName } from "../../kernel/tiles.ts";

/** The sizes of a product: [m, k] by [k, n], `batches` times. */
export interface ProductSizes {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly batches: number;
  /** True if the second operand is stored as [n, k]. */
  readonly transposeB: boolean;
}

/** The division of a product: its tile, and parts of `each` terms into which the sums are cut. */
interface Cut {
  readonly tile: TileName;
  readonly parts: number;
  readonly each: number;
  /** True if one thread computes the sums of all parts of `each` terms; `parts` is 1 then. */
  readonly blocks: boolean;
}

/** Workgroups that keep a device busy, and the minimum number of terms in a part of the sums. */
const enough = { software: { groups: 4, terms: 256 }, hardware: { groups: 256, terms: 128 } } as const;

/** Terms of a part in batch-invariant mode, where the order of a sum depends only on its length. */
const invariantTerms = 256;

const wanted = (software: boolean) => enough[software ? "software" : "hardware"];

/** Sums that a workgroup's threads share are cut into parts only from this length on. */
const sharedTerms = 4096;

/** Properties of a device that decide how products are cut. */
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
 * Chooses how a product is cut. The choice depends only on its sizes and the kind of device, so that the same product
 * has the same bits each time. In batch-invariant mode each sum takes its terms in order, in parts of `invariantTerms`:
 * by one thread, or by several whose results are joined in order.
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

import type { GpuFacts } from "../../kernel/kernel.ts";
import { spanOf, type TileName } from "../../kernel/tiles.ts";

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
interface Cut {
  readonly tile: TileName;
  readonly parts: number;
  readonly each: number;
  /** True if a thread makes the sums of all parts of `each` terms itself; `parts` is 1 then. */
  readonly blocks: boolean;
}

/** Workgroups that keep a device busy, and the least terms of a part of the sums. */
const enough = { software: { groups: 4, terms: 256 }, hardware: { groups: 256, terms: 128 } } as const;

/** Terms of a part where the order of a sum must depend on its length alone. */
const invariantTerms = 256;

const wanted = (software: boolean) => enough[software ? "software" : "hardware"];

/** Threads of a workgroup that share long sums need no parts until they are this long. */
const sharedTerms = 4096;

/** Facts of a device by which products are cut. */
export type CutFacts = Pick<GpuFacts, "software" | "tile" | "batchInvariant">;

function tileOf({ m, n, batches, transposeB }: ProductSizes, facts: CutFacts): TileName {
  const { software, tile: square, batchInvariant } = facts;
  // Threads that share a sum have an order of their own.
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
 * Chooses how a product is cut: a function of its sizes and the kind of device alone, so that the
 * same product has the same bits each time. In the batch-invariant mode each sum goes through its
 * terms in order, in parts of so many: by one thread, or by several and joined in order.
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

/**
 * Division of a matrix product. A piece is a block of results that one thread computes, or `lanes` threads together. A
 * workgroup computes a grid of pieces.
 */
export interface Tile {
  /**
   * Number of rows and columns of a piece. The rows are adjacent. The columns may be `across` columns apart, so that
   * adjacent threads read adjacent data.
   */
  readonly rows: number;
  readonly columns: number;
  /**
   * Size of a workgroup's grid of pieces: the number of pieces below each other (`down`) and next to each other
   * (`across`).
   */
  readonly down: number;
  readonly across: number;
  /**
   * Number of threads that compute one piece together. Each sum over k is divided between them in groups of four terms,
   * and a thread adds every `lanes`-th group.
   */
  readonly lanes: number;
  /** Number of terms copied to workgroup memory at a time; 0 if threads read the operands directly. */
  readonly depth: number;
}

/**
 * Names of tiles. "staged" tiles read operands through workgroup memory, the others directly. Then follows the size of
 * a piece, or "tall" (for few columns) or "wide" (for few rows). "along", "down" and "alone" tiles are for at most four
 * rows.
 */
export type TileName =
  | `direct ${"4x4" | "8x4" | "8x8" | "tall" | "wide"}`
  | `staged ${"4x4" | "8x4" | "8x8" | "tall" | "wide"}`
  | `${"along" | "down" | "alone"} ${1 | 2 | 4}`;

const square = { down: 16, across: 16, lanes: 1 } as const;
/** Settings that all tiles for products with at most four rows share: a workgroup computes one row of pieces. */
const flat = { columns: 4, down: 1, depth: 0 } as const;

/** The tiles by name. */
export const tiles: Readonly<Record<TileName, Tile>> = {
  "direct 4x4": { rows: 4, columns: 4, ...square, depth: 0 },
  "direct 8x4": { rows: 8, columns: 4, ...square, depth: 0 },
  "direct 8x8": { rows: 8, columns: 8, ...square, depth: 0 },
  "staged 4x4": { rows: 4, columns: 4, ...square, depth: 16 },
  "staged 8x4": { rows: 8, columns: 4, ...square, depth: 16 },
  "staged 8x8": { rows: 8, columns: 8, ...square, depth: 8 },
  // For products with few columns (tall) or few rows (wide), such as those with low-rank factors.
  "direct tall": { rows: 8, columns: 4, down: 32, across: 2, lanes: 1, depth: 0 },
  "staged tall": { rows: 4, columns: 4, down: 32, across: 2, lanes: 1, depth: 16 },
  "direct wide": { rows: 8, columns: 4, down: 1, across: 64, lanes: 1, depth: 0 },
  "staged wide": { rows: 4, columns: 4, down: 2, across: 32, lanes: 1, depth: 16 },
  // For products with up to four rows. Threads share each sum, and read along the rows of a weight or down its columns;
  // in "alone" tiles a thread computes its sums alone.
  "along 1": { rows: 1, ...flat, across: 1, lanes: 64 },
  "along 2": { rows: 2, ...flat, across: 1, lanes: 64 },
  "along 4": { rows: 4, ...flat, across: 1, lanes: 64 },
  "down 1": { rows: 1, ...flat, across: 8, lanes: 16 },
  "down 2": { rows: 2, ...flat, across: 8, lanes: 16 },
  "down 4": { rows: 4, ...flat, across: 8, lanes: 16 },
  "alone 1": { rows: 1, ...flat, across: 64, lanes: 1 },
  "alone 2": { rows: 2, ...flat, across: 64, lanes: 1 },
  "alone 4": { rows: 4, ...flat, across: 64, lanes: 1 },
};

/** Returns the number of rows and columns of results that one workgroup computes. */
export function spanOf(name: TileName): { height: number; width: number } {
  const { rows, columns, down, across } = tiles[name];
  return { height: rows * down, width: columns * across };
}

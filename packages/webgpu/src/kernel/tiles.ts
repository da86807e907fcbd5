/** The division of a matrix product among workgroups and their threads. */
export interface Tile {
  /** Results of one thread: adjacent rows, by columns. */
  readonly rows: number;
  readonly columns: number;
  /** Pieces of a workgroup, down and across; a piece is the block of results of one thread. */
  readonly down: number;
  readonly across: number;
  /** Threads that share a piece; each adds every `lanes`-th group of four terms. */
  readonly lanes: number;
  /** Terms of the sums that are staged in workgroup memory at a time; 0 if threads read the operands directly. */
  readonly depth: number;
}

/** The names of the tiles. */
export type TileName =
  | `direct ${"4x4" | "8x4" | "8x8" | "tall" | "wide"}`
  | `staged ${"4x4" | "8x4" | "8x8" | "tall" | "wide"}`
  | `${"along" | "down" | "alone"} ${1 | 2 | 4}`;

const square = { down: 16, across: 16, lanes: 1 } as const;
/** One row of pieces, for products of few rows. */
const flat = { columns: 4, down: 1, depth: 0 } as const;

/** The tiles by name: rows and columns of a thread, and how operands are read. */
export const tiles: Readonly<Record<TileName, Tile>> = {
  "direct 4x4": { rows: 4, columns: 4, ...square, depth: 0 },
  "direct 8x4": { rows: 8, columns: 4, ...square, depth: 0 },
  "direct 8x8": { rows: 8, columns: 8, ...square, depth: 0 },
  "staged 4x4": { rows: 4, columns: 4, ...square, depth: 16 },
  "staged 8x4": { rows: 8, columns: 4, ...square, depth: 16 },
  "staged 8x8": { rows: 8, columns: 8, ...square, depth: 8 },
  // For few columns, or few rows: low-rank factors.
  "direct tall": { rows: 8, columns: 4, down: 32, across: 2, lanes: 1, depth: 0 },
  "staged tall": { rows: 4, columns: 4, down: 32, across: 2, lanes: 1, depth: 16 },
  "direct wide": { rows: 8, columns: 4, down: 1, across: 64, lanes: 1, depth: 0 },
  "staged wide": { rows: 4, columns: 4, down: 2, across: 32, lanes: 1, depth: 16 },
  // For up to four rows: threads share the sums along rows of a weight, or down its columns.
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

/** Returns the rows and columns of a workgroup. */
export function spanOf(name: TileName): { height: number; width: number } {
  const { rows, columns, down, across } = tiles[name];
  return { height: rows * down, width: columns * across };
}

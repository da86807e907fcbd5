// State of the matrix products: their scratch memory, the order of their sums, and this machine's best tile.

export let scratch: usize = 0;

/**
 * True in batch-invariant builds, in which the bits of a row of a product must not depend on the other rows. Other
 * builds leave out the code that ensures this.
 */
// @ts-ignore: tools/build/buildKernels.ts gives it to the compiler
export const batchInvariant: bool = isDefined(BATCH_INVARIANT);

/** Returns 1 in batch-invariant builds, otherwise 0. */
export function isBatchInvariant(): i32 {
  return batchInvariant ? 1 : 0;
}

/** Sets the scratch memory of this instance (one per thread): `scratchBytes()` bytes at a 64-byte aligned address. */
export function setScratch(ptr: usize): void {
  scratch = ptr;
}

/**
 * Identifiers of the register tiles. MR x 8 is for CPUs with 16 vector registers, 8 x 8 for CPUs with 32, and MR x 16
 * for engines that fuse pairs of 128-bit operations.
 */
export const TILE_MR_8: i32 = 0;
export const TILE_8_8: i32 = 1;
export const TILE_MR_16: i32 = 2;

/** The selected tile. It is in shared memory, so that all threads use the same one. */
const TILE: usize = memory.data<i32>([TILE_MR_8]);

/** Returns the tile that large products use. */
// @ts-ignore: decorator
@inline
export function tileKind(): i32 {
  return load<i32>(TILE);
}

/** Selects the tile of large products for all threads: 0 is MR x 8, 1 is 8 x 8, 2 is MR x 16. */
export function setTile(kind: i32): void {
  store<i32>(TILE, kind);
}

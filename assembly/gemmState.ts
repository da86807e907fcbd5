// What the matrix products of an instance know: their scratch memory, and which tile the engine runs best.

export let scratch: usize = 0;
export let wide: bool = false;

/** Gives this instance its scratch memory: `scratchBytes()` bytes, 64-byte aligned, shared with nobody. */
export function setScratch(ptr: usize): void {
  scratch = ptr;
}

/** Whether large products use the tile for engines that fuse pairs of 128-bit operations: 1 or 0, 0 at the start. */
export function setWide(on: i32): void {
  wide = on != 0;
}

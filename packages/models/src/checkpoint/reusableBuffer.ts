/**
 * Returns a function that lends a buffer of `bytes` bytes to `use`: always the same, or a new one while the first is in
 * use. A new buffer for each tensor would stay in memory until garbage collection.
 */
export function reusableBuffer(bytes: number): <T>(use: (room: Uint8Array) => Promise<T>) => Promise<T> {
  let free: Uint8Array | undefined;
  return async (use) => {
    const room = free ?? new Uint8Array(bytes);
    free = undefined;
    try {
      return await use(room);
    } finally {
      free = room;
    }
  };
}

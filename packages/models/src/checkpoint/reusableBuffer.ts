/**
 * Returns a function that lends the same buffer of `bytes` bytes for each call, or a second buffer while the first is
 * in use. Separate buffers per tensor would stay in memory until they are garbage-collected.
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

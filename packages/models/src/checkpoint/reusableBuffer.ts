/**
 * Returns a function that passes a buffer of `bytes` bytes to `use` and reuses it for later calls. If the buffer is
 * still in use, a call gets a new one. Allocating one for each tensor instead would fill memory until garbage
 * collection.
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

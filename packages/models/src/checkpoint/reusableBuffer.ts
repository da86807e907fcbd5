/**
 * Returns a function that passes a buffer of `bytes` bytes to `use`, and reuses the buffer in later calls. While the
 * buffer is in use, another call gets a new one. Reuse saves memory: a buffer for each tensor would stay allocated
 * until garbage collection.
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

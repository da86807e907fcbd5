/**
 * Lends one array of `bytes` bytes again and again, and another to who comes while it is out. An
 * array for each tensor would be held until it is collected.
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

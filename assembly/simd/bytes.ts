// Copies and clears short runs of bytes: a call of memory.copy or memory.fill costs more than the work.

/** From this many bytes on, a call of memory.copy or memory.fill is faster than a loop. */
const LONG: usize = 256;

/** Copies `bytes` bytes, from the lowest address up. */
// @ts-ignore: decorator
@inline
export function copyBytes(src: usize, dst: usize, bytes: usize): void {
  if (bytes > LONG) {
    memory.copy(dst, src, bytes);
    return;
  }
  for (; bytes >= 16; bytes -= 16) {
    v128.store(dst, v128.load(src));
    src += 16;
    dst += 16;
  }
  for (; bytes >= 4; bytes -= 4) {
    store<u32>(dst, load<u32>(src));
    src += 4;
    dst += 4;
  }
  for (; bytes > 0; bytes--) {
    store<u8>(dst, load<u8>(src));
    src++;
    dst++;
  }
}

/** Sets bytes to zero. */
// @ts-ignore: decorator
@inline
export function clearBytes(dst: usize, bytes: usize): void {
  if (bytes > LONG) {
    memory.fill(dst, 0, bytes);
    return;
  }
  for (; bytes >= 16; bytes -= 16) {
    v128.store(dst, i32x4.splat(0));
    dst += 16;
  }
  for (; bytes > 0; bytes--) {
    store<u8>(dst, 0);
    dst++;
  }
}

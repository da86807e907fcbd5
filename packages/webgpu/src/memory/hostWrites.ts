import type { GpuTensor } from "../kernel/kernel.ts";
import type { GpuBlock } from "../kernel/pool.ts";
import { type Dispatch, entry, type Shader, shader, spread } from "../kernel/shader.ts";
import { inParts, windowOf } from "../wgsl/window.ts";

const fill: Shader<"out", "size" | "word"> = shader({
  name: "fill",
  bindings: { out: "write u32" },
  uniforms: { size: "u32", word: "u32" },
  code: entry(64, "  if (index < u.size) { out[index] = u.word; }"),
});

const patch: Shader<"out", "at" | "mask" | "word"> = shader({
  name: "patchWord",
  bindings: { out: "write u32" },
  uniforms: { at: "u32", mask: "u32", word: "u32" },
  code: `@compute @workgroup_size(1)
fn main() { out[u.at] = (out[u.at] & ~u.mask) | u.word; }`,
});

/** Returns a view of a block as an i32 tensor, one element per word. */
function wordsOf(buffer: GpuBlock): GpuTensor {
  const size = Math.ceil(buffer.bytes / 4);
  return { buffer, shape: [size], dtype: "i32", size };
}

/** Returns the dispatches that set all words of a block to `word`; each binds at most `most` bytes. */
export function fillWords(block: GpuBlock, word: number, most: number): Dispatch[] {
  const out = wordsOf(block);
  return inParts([out], most, out.size).map(({ rows: size, tensors: [part] }) =>
    fill.dispatch({ out: part }, { size, word }, spread(size, 64)),
  );
}

/**
 * Returns the dispatches that write the incomplete 32-bit words at both ends of a host write. These are the bytes
 * before the first whole word, and the bytes from byte `whole` of the block on. WebGPU itself writes only whole words.
 */
export function patchWord(block: GpuBlock, bytes: Uint8Array, offset: number, whole: number): Dispatch[] {
  const end = offset + bytes.length;
  const out = wordsOf(block);
  const runs: Dispatch[] = [];
  const part = (from: number, to: number): void => {
    const at = Math.floor(from / 4);
    let [mask, word] = [0, 0];
    for (let i = from; i < to; i++) {
      const shift = 8 * (i % 4);
      mask |= 0xff << shift;
      word |= bytes[i - offset] << shift;
    }
    const { tensor, start } = windowOf(out, at, [1]);
    runs.push(patch.dispatch({ out: tensor }, { at: start, mask, word }, [1, 1, 1]));
  };
  const head = Math.min(Math.ceil(offset / 4) * 4, end);
  if (head > offset) part(offset, head);
  const tail = Math.max(whole, head);
  if (tail < end) part(tail, end);
  return runs;
}

import { mulHighCode } from "./math.ts";

type PhiloxUniform = "blockLow" | "blockHigh" | "skipped" | "streamLow" | "streamHigh" | "keyLow" | "keyHigh";

/** Uniforms that pass a `Generator`'s state to a kernel, so that the kernel draws the same values as the generator. */
export const philoxUniforms: Readonly<Record<PhiloxUniform, "u32">> = {
  blockLow: "u32",
  blockHigh: "u32",
  skipped: "u32",
  streamLow: "u32",
  streamHigh: "u32",
  keyLow: "u32",
  keyHigh: "u32",
};

/**
 * Returns the values of the shader uniforms `philoxUniforms` for a generator's state. `skipped` is the number of words
 * of the current Philox block that the generator has already used. The kernel starts with the next word.
 */
export function philoxValues({
  seed,
  stream,
  offset,
}: {
  readonly seed: number;
  readonly stream: readonly [number, number];
  readonly offset: number;
}): Record<PhiloxUniform, number> {
  const block = Math.floor(offset / 4);
  const high = (value: number): number => Math.floor(value / 2 ** 32);
  return {
    ...{ blockLow: block >>> 0, blockHigh: high(block), skipped: offset % 4 },
    ...{ streamLow: stream[0], streamHigh: stream[1], keyLow: seed >>> 0, keyHigh: high(seed) },
  };
}

/** WGSL: `philox(n)` returns the four random words of block n, counted from the generator's current block. */
export const philoxCode: string = `${mulHighCode}
fn philox(n: u32) -> vec4u {
  let low = u.blockLow + n;
  var x = vec4u(low, u.blockHigh + select(0u, 1u, low < n), u.streamLow, u.streamHigh);
  var key = vec2u(u.keyLow, u.keyHigh);
  for (var round = 0u; round < 10u; round++) {
    let high0 = mulHigh(0xd2511f53u, x.x);
    let high1 = mulHigh(0xcd9e8d57u, x.z);
    x = vec4u(high1 ^ x.y ^ key.x, 0xcd9e8d57u * x.z, high0 ^ x.w ^ key.y, 0xd2511f53u * x.x);
    key += vec2u(0x9e3779b9u, 0xbb67ae85u);
  }
  return x;
}`;

/**
 * WGSL: `isDropped(word)` takes a random word and returns true with the probability of dropout. The uniform `threshold`
 * must be this probability times 2^24.
 */
export const dropCode: string = "fn isDropped(word: u32) -> bool { return (word >> 8u) < u.threshold; }";

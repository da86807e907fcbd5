// Dropout by counter-based random numbers: Philox4x32-10 (Salmon et al. 2011), value i from word i % 4 of counter i / 4.

/**
 * out[i] = 0 where the uniform number `offset` + i of the stream is below `p` (given as p * 2^24, rounded up), else
 * x[i] * scale. The stream is named by the key's and the counter's upper words.
 */
export function dropout(
  x: usize, out: usize, n: i32, offset: f64, seedLow: u32, seedHigh: u32, streamLow: u32, streamHigh: u32, threshold: u32, scale: f32,
): void {
  let position = <u64>offset;
  while (n > 0) {
    const block = position >> 2;
    let x0 = <u32>block;
    let x1 = <u32>(block >> 32);
    let x2 = streamLow;
    let x3 = streamHigh;
    let key0 = seedLow;
    let key1 = seedHigh;
    for (let round = 0; round < 10; round++) {
      const product0 = <u64>x0 * 0xd2511f53;
      const product1 = <u64>x2 * 0xcd9e8d57;
      x0 = <u32>(product1 >> 32) ^ x1 ^ key0;
      x1 = <u32>product1;
      x2 = <u32>(product0 >> 32) ^ x3 ^ key1;
      x3 = <u32>product0;
      key0 += 0x9e3779b9;
      key1 += 0xbb67ae85;
    }
    for (let word = <i32>(position & 3); word < 4 && n > 0; word++) {
      const bits = word < 2 ? (word == 0 ? x0 : x1) : word == 2 ? x2 : x3;
      store<f32>(out, bits >> 8 < threshold ? 0 : load<f32>(x) * scale);
      x += 4;
      out += 4;
      n--;
      position++;
    }
  }
}

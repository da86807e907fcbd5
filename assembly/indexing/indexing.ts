// Reading and adding at positions that an i32 index names. Each returns -1, or a place in the
// index that is out of range.

/**
 * Computes out[j] = x[j * step + index[j] * stride] for 4-byte elements. Returns the position of the first index that
 * is out of range, or -1.
 */
export function gather(x: usize, index: usize, out: usize, n: i32, step: i32, stride: i32, size: i32): i32 {
  for (let j = 0; j < n; j++) {
    const at = load<i32>(index + (<usize>j << 2));
    if (<u32>at >= <u32>size) return j;
    store<u32>(out + (<usize>j << 2), load<u32>(x + ((<usize>j * step + <usize>at * stride) << 2)));
  }
  return -1;
}

/**
 * Computes out[j * step + index[j] * stride] += x[j]. Returns the position of the first index that is out of range, or
 * -1.
 */
export function scatterAdd(x: usize, index: usize, out: usize, n: i32, step: i32, stride: i32, size: i32): i32 {
  for (let j = 0; j < n; j++) {
    const at = load<i32>(index + (<usize>j << 2));
    if (<u32>at >= <u32>size) return j;
    const to = out + ((<usize>j * step + <usize>at * stride) << 2);
    store<f32>(to, load<f32>(to) + load<f32>(x + (<usize>j << 2)));
  }
  return -1;
}

/**
 * Copies entry (i, index[j]) of x to entry (i, j) of out. x has [outer, n] entries and out [outer, count], of `bytes`
 * bytes each. Returns the position j of an index that is out of range, or -1 if there is none.
 */
export function indexSelect(x: usize, index: usize, out: usize, outer: i32, n: i32, count: i32, bytes: i32): i32 {
  const entry = <usize>bytes;
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < count; j++) {
      const at = load<i32>(index + (<usize>j << 2));
      if (<u32>at >= <u32>n) return j;
      memory.copy(out, x + <usize>at * entry, entry);
      out += entry;
    }
    x += <usize>n * entry;
  }
  return -1;
}

/**
 * Adds entry (i, j) of x to entry (i, index[j]) of out. out has [outer, n] entries and x [outer, count], of `inner`
 * floats each. Returns the position j of an index that is out of range, or -1 if there is none.
 */
export function indexAdd(x: usize, index: usize, out: usize, outer: i32, n: i32, count: i32, inner: i32): i32 {
  const entry = <usize>inner << 2;
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < count; j++) {
      const at = load<i32>(index + (<usize>j << 2));
      if (<u32>at >= <u32>n) return j;
      let to = out + <usize>at * entry;
      let l = inner;
      for (; l >= 4; l -= 4) {
        v128.store(to, f32x4.add(v128.load(to), v128.load(x)));
        to += 16;
        x += 16;
      }
      for (; l > 0; l--) {
        store<f32>(to, load<f32>(to) + load<f32>(x));
        to += 4;
        x += 4;
      }
    }
    out += <usize>n * entry;
  }
  return -1;
}

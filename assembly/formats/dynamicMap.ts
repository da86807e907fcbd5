// The values of the 8-bit codes of nested scales, as described in packages/core/src/packed/blockwise/eightBit.ts.

const TABLE: usize = memory.data(1024, 16);

// Each instance fills the table before its first use; instances that share a memory write the same bytes.
let filled = false;

/** Returns point `i` of n + 1 evenly spaced points between 0.1 and 1. */
function boundary(i: i32, n: i32): f32 {
  const step = <f64>((<f32>1 - <f32>0.1) / <f32>n);
  return i < (n + 1) >> 1 ? <f32>(<f64>(<f32>0.1) + step * <f64>i) : <f32>(1 - step * <f64>(n - i));
}

/** Returns the positive value with the given rank in the dynamic map: rank 1 is the smallest, rank 128 the largest. */
function ranked(rank: i32): f32 {
  if (rank == 128) return 1;
  const exponent = 31 - clz(rank);
  const n = 1 << exponent;
  const i = rank - n;
  let scale: f64 = 1;
  for (let e = exponent; e < 6; e++) scale *= 10;
  return <f32>(1 / scale) * ((boundary(i, n) + boundary(i + 1, n)) / 2);
}

/** Returns the address of the values of the 256 8-bit codes, f32, ascending. */
export function dynamicTable(): usize {
  if (!filled) {
    store<f32>(TABLE, 0, 4 * 127);
    for (let rank = 1; rank <= 128; rank++) {
      store<f32>(TABLE + (<usize>(127 + rank) << 2), ranked(rank));
      if (rank < 128) store<f32>(TABLE + (<usize>(127 - rank) << 2), -ranked(rank));
    }
    filled = true;
  }
  return TABLE;
}

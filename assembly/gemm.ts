// Matrix products in f32, row-major: C[M,N] (+)= alpha * op(A)[M,K] * op(B)[K,N].
import { BLOCK_SCRATCH, gemmBlocked } from "./gemmBlock";

let scratch: usize = 0;

/** Bytes of scratch memory the products need; constant. */
export function scratchBytes(): i32 {
  return BLOCK_SCRATCH;
}

/** Gives this instance its scratch memory: `scratchBytes()` bytes, 16-byte aligned, shared with nobody. */
export function setScratch(ptr: usize): void {
  scratch = ptr;
}

/**
 * C[m,n] = alpha * op(A) * op(B), or C += ... where `accumulate` is 1. op(X) is X, or its transpose where the flag is 1:
 * A is stored [m,k], transposed [k,m]; B is stored [k,n], transposed [n,k]. Leading dimensions in elements.
 */
export function gemm(
  a: usize, b: usize, c: usize, m: i32, n: i32, k: i32, lda: i32, ldb: i32, ldc: i32,
  transA: i32, transB: i32, alpha: f32, accumulate: i32,
): void {
  if (m <= 0 || n <= 0) return;
  const ars = <usize>lda << 2;
  const brs = <usize>ldb << 2;
  const crs = <usize>ldc << 2;
  if (!accumulate) {
    const bytes = <usize>n << 2;
    if (ldc == n) memory.fill(c, 0, <usize>m * bytes);
    else for (let i = 0; i < m; i++) memory.fill(c + <usize>i * crs, 0, bytes);
  }
  if (k <= 0) return;
  gemmBlocked(a, b, c, m, n, k, ars, brs, crs, transA != 0, transB != 0, alpha, scratch);
}

/** `batch` products of one shape; the strides between matrices are in elements, 0 repeats the same matrix. */
export function gemmBatched(
  a: usize, b: usize, c: usize, batch: i32, strideA: i32, strideB: i32, strideC: i32, m: i32, n: i32, k: i32,
  lda: i32, ldb: i32, ldc: i32, transA: i32, transB: i32, alpha: f32, accumulate: i32,
): void {
  for (let i = 0; i < batch; i++) {
    gemm(a, b, c, m, n, k, lda, ldb, ldc, transA, transB, alpha, accumulate);
    a += <usize>strideA << 2;
    b += <usize>strideB << 2;
    c += <usize>strideC << 2;
  }
}

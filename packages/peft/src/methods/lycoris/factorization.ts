/**
 * Splits `size` into two factors, as PEFT does. If `wanted` divides `size`, returns `wanted` and the quotient.
 * Otherwise returns the two factors nearest to √size, smaller first; the smaller is at most `wanted`, unless `wanted`
 * is -1.
 */
export function factorization(size: number, wanted: number): [small: number, large: number] {
  if (wanted !== -1 && size % wanted === 0) return [wanted, size / wanted];
  const most = wanted === -1 ? size : wanted;
  let [small, large] = [1, size];
  while (small < large) {
    let next = small + 1;
    while (size % next !== 0) next++;
    if (next > most) break;
    [small, large] = [next, size / next];
  }
  return [Math.min(small, large), Math.max(small, large)];
}

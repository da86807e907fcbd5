// Samples a token from a row of logits: temperature, top-k, top-p and min-p, in double precision.
import { rowExtremum } from "./rowExtremum";

// @ts-ignore: decorator
@inline
function at(odds: usize, i: i32): f64 {
  return load<f64>(odds + (<usize>i << 3));
}

/** Restores a min-heap of k floats after `heap[i]` was replaced. */
function siftFloat(heap: usize, k: i32, i: i32): void {
  const value = load<f32>(heap + (<usize>i << 2));
  for (let child = 2 * i + 1; child < k; child = 2 * i + 1) {
    let address = heap + (<usize>child << 2);
    if (child + 1 < k && load<f32>(address, 4) < load<f32>(address)) {
      child++;
      address += 4;
    }
    if (load<f32>(address) >= value) break;
    store<f32>(heap + (<usize>i << 2), load<f32>(address));
    i = child;
  }
  store<f32>(heap + (<usize>i << 2), value);
}

/** Returns the k-th largest of n floats. `heap` is scratch for k floats. */
function kthLargest(x: usize, n: i32, k: i32, heap: usize): f32 {
  memory.copy(heap, x, <usize>k << 2);
  for (let i = k / 2 - 1; i >= 0; i--) siftFloat(heap, k, i);
  for (let i = k; i < n; i++) {
    const v = load<f32>(x + (<usize>i << 2));
    if (v <= load<f32>(heap)) continue;
    store<f32>(heap, v);
    siftFloat(heap, k, 0);
  }
  return load<f32>(heap);
}

/** Returns true if token a comes before token b: it is more probable or, if equally probable, has the lower index. */
// @ts-ignore: decorator
@inline
function isBefore(odds: usize, a: i32, b: i32): bool {
  const x = at(odds, a);
  const y = at(odds, b);
  return x > y || (x == y && a < b);
}

/**
 * Restores a heap of tokens after `heap[i]` was replaced. The token at the top comes before all others in the order of
 * `isBefore`.
 */
function siftToken(heap: usize, count: i32, i: i32, odds: usize): void {
  const token = load<i32>(heap + (<usize>i << 2));
  for (let child = 2 * i + 1; child < count; child = 2 * i + 1) {
    let address = heap + (<usize>child << 2);
    if (child + 1 < count && isBefore(odds, load<i32>(address, 4), load<i32>(address))) {
      child++;
      address += 4;
    }
    const other = load<i32>(address);
    if (isBefore(odds, token, other)) break;
    store<i32>(heap + (<usize>i << 2), other);
    i = child;
  }
  store<i32>(heap + (<usize>i << 2), token);
}

/**
 * Applies top-p and min-p to the unnormalised probabilities in `odds`, whose largest is 1 and whose sum is `sum`. Keeps
 * a token if its entry is at least `minP`, and if the tokens before it (see `isBefore`) together have less than `topP`
 * of the sum. Sets other entries to 0. Returns the kept fraction of the sum.
 */
function keepNucleus(odds: usize, n: i32, sum: f64, topP: f64, minP: f64, heap: usize): f64 {
  let count = 0;
  for (let i = 0; i < n; i++) {
    const odd = at(odds, i);
    if (odd <= 0 || odd < minP) continue;
    store<i32>(heap + (<usize>count << 2), i);
    count++;
  }
  for (let i = count / 2 - 1; i >= 0; i--) siftToken(heap, count, i, odds);
  let mass: f64 = 0;
  let last = -1;
  while (count > 0 && !(topP < 1 && mass >= topP)) {
    last = load<i32>(heap);
    mass += at(odds, last) / sum;
    count--;
    store<i32>(heap, load<i32>(heap + (<usize>count << 2)));
    siftToken(heap, count, 0, odds);
  }
  const edge = at(odds, last);
  for (let i = 0; i < n; i++) {
    const odd = at(odds, i);
    if (odd < edge || (odd == edge && i > last)) store<f64>(odds + (<usize>i << 3), 0);
  }
  return mass;
}

/**
 * Samples one of n tokens and writes its index to `out`, or -1 if a logit is NaN or the largest is not finite.
 * `uniform` is a random value from 0 (included) to 1. `odds` is scratch for n doubles, `heap` for n words.
 */
export function sampleToken(
  x: usize, n: i32, uniform: f64, temperature: f64, topK: i32, topP: f64, minP: f64, odds: usize, heap: usize, out: usize,
): void {
  const top = rowExtremum(false, x, n);
  store<i32>(out, -1);
  if (!(abs(top) < Infinity)) return;
  const least = topK > 0 && topK < n ? kthLargest(x, n, topK, heap) : -<f32>Infinity;
  const largest = <f64>top / temperature;
  let sum: f64 = 0;
  for (let i = 0; i < n; i++) {
    const logit = load<f32>(x + (<usize>i << 2));
    const odd = logit < least ? 0 : NativeMath.exp(<f64>logit / temperature - largest);
    store<f64>(odds + (<usize>i << 3), odd);
    sum += odd;
  }
  const mass = topP < 1 || minP > 0 ? keepNucleus(odds, n, sum, topP, minP, heap) : 1;
  for (let i = 0; i < n; i++) {
    const odd = at(odds, i);
    if (odd == 0) continue;
    store<i32>(out, i);
    const probability = odd / sum / mass;
    if (uniform < probability) return;
    uniform -= probability;
  }
}

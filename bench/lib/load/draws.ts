import type { Generator } from "@lowrank/core";

/** A random variable: each call draws one value. */
export type Draw = (generator: Generator) => number;

/** Returns a value from 0 (inclusive) to 1 (exclusive) in steps of 2^-32, finer than the generator's f32. */
function unit(generator: Generator): number {
  const word = new Int32Array(1);
  generator.fillInt(word, -(2 ** 31), 2 ** 31);
  return (word[0]! + 2 ** 31) / 2 ** 32;
}

/** Draws integers from `low` to `high` with equal probability. */
export function uniform(low: number, high: number): Draw {
  return (generator) => low + Math.floor(unit(generator) * (high - low + 1));
}

/** Draws ranks 0 to n - 1 by Zipf's law: the probability of rank k is proportional to 1 / (k + 1)^s. */
export function zipf(n: number, s: number): Draw {
  const upTo = new Float64Array(n);
  let sum = 0;
  for (let k = 0; k < n; k++) {
    sum += (k + 1) ** -s;
    upTo[k] = sum;
  }
  return (generator) => {
    const wanted = unit(generator) * sum;
    let low = 0;
    let high = n - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle]! > wanted) high = middle;
      else low = middle + 1;
    }
    return low;
  };
}

/** Draws the time between two arrivals of a Poisson process with `rate` arrivals per unit of time. */
export function exponential(rate: number): Draw {
  return (generator) => -Math.log(1 - unit(generator)) / rate;
}

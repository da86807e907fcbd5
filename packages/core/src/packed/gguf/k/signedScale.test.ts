import { expect, it } from "vitest";
import { Generator } from "../../../index.ts";
import { nothing, signedGroup, signedScale } from "./signedScale.ts";

/** Returns how much of the weighted squares of `x` a fit of one scale to the codes explains. */
function explained(x: Float32Array, codes: readonly number[]): number {
  let [xl, l2] = [0, 0];
  for (const [i, code] of codes.entries()) {
    xl += x[i] ** 3 * code;
    l2 += x[i] ** 2 * code ** 2;
  }
  return l2 > 0 ? xl ** 2 / l2 : 0;
}

it("codes from -4 to 3 fit as well as those of any of 19 scales", () => {
  const most = 4;
  const generator = new Generator(7);
  const x = new Float32Array(signedGroup);
  const codes = new Uint8Array(signedGroup);
  const needed = new Set<number>();
  for (let round = 0; round < 400; round++) {
    generator.fillNormal(x, 0, 1);
    if (round % 2 === 0) {
      // Multiples of one of the scales.
      const step = 1 / (most + ((round / 2) % 19) / 10 - 0.9);
      for (const [i, value] of x.entries())
        x[i] = i === 0 ? -1 : step * Math.max(-3, Math.min(3, Math.round(2 * value)));
    }
    const scale = signedScale(x, codes, most);
    const largest = x.reduce((top, value) => (Math.abs(value) > Math.abs(top) ? value : top), 0);
    const fits = Array.from({ length: 19 }, (_, at) => {
      const inverse = -(most + (at - 9) / 10) / largest;
      return explained(
        x,
        Array.from(x, (value) => Math.max(-most, Math.min(most - 1, Math.round(value * inverse)))),
      );
    });
    const best = Math.max(...fits);
    const own = Array.from(codes, (code) => code - most);
    expect(Math.abs(explained(x, own) / best - 1)).toBeLessThan(1e-6);
    expect(Math.sign(scale)).toBe(-Math.sign(largest));
    const near = fits.filter((fit) => fit > best * (1 - 1e-5));
    if (near.length === 1) needed.add(fits.indexOf(best));
  }
  // Some groups need the first scale.
  expect(needed).toContain(0);
});

it("a group has the scale 0 if all magnitudes are below 1e-15", () => {
  const codes = new Uint8Array(signedGroup);
  expect(signedScale(new Float32Array(signedGroup).fill(nothing), codes, 32)).toBeLessThan(0);
  expect(signedScale(new Float32Array(signedGroup).fill(nothing * 0.99), codes.fill(9), 32)).toBe(0);
  expect([...codes]).toEqual(Array.from({ length: signedGroup }, () => 0));
});

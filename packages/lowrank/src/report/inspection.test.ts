import { expect, test } from "vitest";
import { inspectedLayer, inspection } from "./inspection.ts";

const layer = (path: string, values: readonly number[], weightNorm: number, error: number | null) =>
  inspectedLayer({ path, shape: [2, 4], weightNorm } as never, Float64Array.from(values), error);
const subject = { model: "base", change: "tuned", compressedTo: null, leftOut: ["norm"] };
const layers = [layer("a.0.q_proj", [4, 3], 10, 0.5), layer("a.1.k_proj", [2, 1e-9], 4, 0.25)];

test("the text has a row per layer, medians and the mean energy by rank", () => {
  // Shares 4/7 and 3/7 have an entropy of 0.6829; exp of it is 1.98.
  expect(inspection(subject, layers).text.split("\n")).toEqual([
    "tuned: 2 weight matrices of base change",
    "",
    "layer       shape    size  largest  rank  effective  stable  for 90 %  for 99 %",
    "a.0.q_proj  2 x 4  50.0 %        4     2        2.0     1.6         2         2",
    "a.1.k_proj  2 x 4  50.0 %        2     1        1.0     1.0         1         1",
    "",
    "effective rank 1.5, stable rank 1.3 (medians over the layers)",
    "energy by rank (means over the layers): 1: 82.0 %, 2: 100.0 %",
  ]);
});

test("an adapter of lower rank adds its errors: over all layers, and of the worst", () => {
  const { text } = inspection({ ...subject, compressedTo: 1 }, layers);
  const [, , head, row, , , ...lines] = text.split("\n");
  expect([head.endsWith("for 99 %   error"), row.endsWith("         2  50.0 %")]).toEqual([true, true]);
  // Norms 5 and 2: (2.5^2 + 0.5^2)^0.5 of (5^2 + 2^2)^0.5.
  expect(lines.at(-1)).toBe(
    "at rank 1 the change is off by 47.3 % of its Frobenius norm, by 50.0 % on the worst layer",
  );
  const none = inspection({ ...subject, compressedTo: 1 }, [layer("a.0.q_proj", [0, 0], 1, 0)]).text.split("\n");
  expect(none.slice(-2)).toEqual([
    "energy by rank (means over the layers): 1: 0.0 %",
    "at rank 1 the change is off by 0.0 % of its Frobenius norm, by 0.0 % on the worst layer",
  ]);
});

test("the object has all values, and the energy up to the first power of two that holds each rank", () => {
  const three = layer("b", [3, 2, 1], 1, null);
  const { json } = inspection(subject, [...layers, three, layer("c", [0, 0, 0], 1, null)]);
  expect(json).toMatchObject({ ...subject, energyByRank: [{ rank: 1 }, { rank: 2 }, { rank: 4, mean: 1, least: 1 }] });
  expect((json as { energyByRank: object[] }).energyByRank[0]).toEqual({
    ...{ rank: 1, mean: expect.closeTo((16 / 25 + 1 + 9 / 14) / 3, 12), least: 0.64 },
  });
  expect((json as { layers: object[] }).layers[0]).toEqual({
    ...{ layer: "a.0.q_proj", shape: [2, 4], relativeNorm: 0.5, largest: 4, rank: 2, rankOf90: 2, rankOf99: 2 },
    ...{ effectiveRank: expect.closeTo(1.9796, 4), stableRank: 25 / 16, error: 0.5, frobeniusNorm: 5 },
    ...{ singularValues: [4, 3], energy: [16 / 25, 1] },
  });
});

test("the energy of one layer is its mean, also of a small change, and that of none is whole", () => {
  const energyOf = (values: readonly number[]) => inspection(subject, [layer("a", values, 1, null)]).json;
  expect(energyOf([0.4, 0.3])).toMatchObject({
    energyByRank: [
      { rank: 1, mean: expect.closeTo(0.64, 12), least: expect.closeTo(0.64, 12) },
      { rank: 2, mean: 1, least: 1 },
    ],
  });
  expect(energyOf([0, 0])).toMatchObject({ energyByRank: [{ rank: 1, mean: 0, least: 1 }] });
  expect(inspection(subject, [layer("a.q", [0.4, 0.3], 1, null)]).html).toContain("<title>a.q</title>");
});

test("the page has lines of the layers that change, and bars of all", () => {
  const { html } = inspection(subject, [...layers, layer("plain", [0, 0], 1, null)]);
  expect(html.match(/<title>[^<]*<\/title><\/path>/g)).toHaveLength(4);
  const corners = (path: string) =>
    [...html.matchAll(new RegExp(`d="([^"]*)"><title>${path}</title>`, "g"))].map(([, d]) =>
      [...d.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]),
    );
  // Singular values by logarithms: 1 at the top, 3/4 at the bottom.
  const [values, energy] = corners("a.0.q_proj");
  expect(values.map(([, y]) => y)).toEqual([10, 210]);
  expect(corners("a.1.k_proj")[0]).toEqual([values[0]]);
  // The energy from 0 to 1: 16/25 and 1.
  expect(energy.map(([, y]) => y)).toEqual([210 - 200 * 0.64, 10]);
  expect(html).toContain(">100 %</text>");
  for (const name of ["0 q_proj", "1 k_proj", "plain"]) {
    expect(html.match(new RegExp(`<text class="end"[^>]*>${name}</text>`, "g"))).toHaveLength(2);
  }
});

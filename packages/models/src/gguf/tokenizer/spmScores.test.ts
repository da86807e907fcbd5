import fc from "fast-check";
import { expect, test } from "vitest";
import { spmScores } from "./spmScores.ts";

type Pair = [string, string];

/** Repeatedly joins the neighbours with the lowest cost, leftmost first. */
function join(letters: string[], cost: (left: string, right: string) => number | undefined): string[] {
  const pieces = [...letters];
  for (;;) {
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    for (let i = 0; i + 1 < pieces.length; i++) {
      const price = cost(pieces[i], pieces[i + 1]);
      if (price !== undefined && price < least) [best, least] = [i, price];
    }
    if (best < 0) return pieces;
    pieces.splice(best, 2, pieces[best] + pieces[best + 1]);
  }
}

function byMerges(text: string, merges: Pair[]): string[] {
  const ranks = new Map(merges.map((pair, rank) => [pair.join(" "), rank]));
  return join([...text], (left, right) => ranks.get(`${left} ${right}`));
}

function byScores(text: string, tokens: string[], scores: number[]): string[] {
  const costs = new Map(tokens.map((token, id) => [token, -scores[id]]));
  return join([...text], (left, right) => costs.get(left + right));
}

/**
 * A BPE as from training: each step joins two existing pieces. Afterwards every other pair that forms a token is added.
 */
const trained = fc.array(fc.tuple(fc.nat(), fc.nat()), { maxLength: 7 }).map((choices) => {
  const tokens = ["a", "b", "c"];
  for (const [i, j] of choices) {
    const token = tokens[i % tokens.length] + tokens[j % tokens.length];
    if (!tokens.includes(token)) tokens.push(token);
  }
  const known = new Set(tokens);
  const merges = tokens.flatMap((token) => {
    const pairs = [...token].slice(1).map((_, at): Pair => [token.slice(0, at + 1), token.slice(at + 1)]);
    return pairs.filter((pair) => pair.every((part) => known.has(part)));
  });
  return { tokens, merges };
});
const text = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 2, maxLength: 14 });

test("where exact, scores join what merges join", () => {
  let exactCases = 0;
  fc.assert(
    fc.property(trained, text, ({ tokens, merges }, input) => {
      const { scores, exact } = spmScores(tokens, merges);
      if (!exact) return;
      exactCases++;
      expect(byScores(input, tokens, scores)).toEqual(byMerges(input, merges));
    }),
    { numRuns: 2000 },
  );
  expect(exactCases).toBeGreaterThan(200);
});

test("tokens of merges come in their order, all others last", () => {
  const { scores, exact } = spmScores(
    ["<s>", "a", "b", "abb", "ab"],
    [
      ["a", "b"],
      ["ab", "b"],
    ],
  );
  expect({ scores, exact }).toEqual({ scores: [-2, -2, -2, -1, 0], exact: true });
});

test.each<[string, string[], Pair[]]>([
  ["a pair that no merge names", ["a", "b", "ab"], []],
  ["a letter that is no token itself", ["a", "aé", "b", "ab"], [["a", "b"]]],
  [
    "pairs of one token apart",
    ["a", "b", "aa", "ab", "aab"],
    [
      ["a", "a"],
      ["a", "ab"],
      ["a", "b"],
      ["aa", "b"],
    ],
  ],
  [
    "a token that takes a piece of the next pair",
    ["a", "b", "ab", "abb", "babb"],
    [
      ["b", "abb"],
      ["a", "b"],
      ["ab", "b"],
      ["a", "bb"],
    ],
  ],
  [
    "pairs that overlap",
    ["a", "aa", "aaa"],
    [
      ["a", "a"],
      ["a", "aa"],
      ["aa", "a"],
    ],
  ],
])("is not exact for %s", (_, tokens, merges) => {
  expect(spmScores(tokens, merges).exact).toBe(false);
});

// The token abc has two merges, whose order does not matter unless an earlier merge takes abc with a piece of them.
const ways: Pair[] = [
  ["a", "b"],
  ["b", "c"],
  ["ab", "c"],
  ["a", "bc"],
];
test.each<[earlier: Pair[], later: Pair[], exact: boolean]>([
  [[], [], true],
  [[["abc", "ab"]], [], false],
  [[], [["abc", "ab"]], true],
  [[["bc", "abc"]], [], false],
  [[["abc", "c"]], [], true],
  [[["ab", "abc"]], [], true],
  [
    [
      ["abc", "d"],
      ["abcd", "ab"],
    ],
    [],
    false,
  ],
  [[["abc", "d"]], [], true],
])("two merges of one token, after %j and before %j", (earlier, later, exact) => {
  const merges = [...earlier, ...ways, ...later];
  const tokens = [..."abcd", ...new Set(merges.map((pair) => pair.join("")))];
  expect(spmScores(tokens, merges).exact).toBe(exact);
});

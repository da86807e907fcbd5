import { expect, test } from "vitest";
import { BeamSearch } from "./beamSearch.ts";

const end = 9;

/** Returns a search with two beams after two steps, whose best running beam has the score `running`. */
function searched(earlyStopping: boolean | "never", running: number, lengthPenalty = 1): BeamSearch {
  const settings = { numBeams: 2, lengthPenalty, earlyStopping, maxNewTokens: 10 };
  const search = new BeamSearch(settings, (tokens) => tokens.at(-1) === end);
  search.advance([
    { parent: 0, token: end, score: -1 },
    { parent: 0, token: 1, score: -1.1 },
    { parent: 0, token: 2, score: -1.2 },
  ]);
  const candidates = [
    { parent: 0, token: end, score: -2.4 },
    { parent: 0, token: 3, score: running },
    { parent: 1, token: 4, score: running - 2 },
  ];
  search.advance(candidates.sort((a, b) => b.score - a.score));
  return search;
}

test("with earlyStopping, as many finished sequences as beams end the search, though a better one may come", () => {
  const search = searched(true, -1.15);
  expect(search.done).toBe(true);
  expect(search.best(2)).toEqual([[end], [1, end]]);
});

test("without it, the search ends once the best running beam is worse over its length than all finished", () => {
  const search = searched(false, -1.15);
  expect([search.done, search.parents]).toEqual([false, [0, 1]]);
  search.advance([
    { parent: 0, token: end, score: -1.2 },
    { parent: 1, token: 4, score: -7 },
    { parent: 0, token: 4, score: -8 },
  ]);
  expect([search.done, search.best(2)]).toEqual([true, [[1, 3, end], [end]]]);
  expect(searched(false, -4).done).toBe(true);
});

test('"never" takes the greatest length that the running beams may come to', () => {
  expect(searched("never", -4).done).toBe(false);
  expect(searched("never", -13).done).toBe(true);
  expect(searched("never", -4, 0).done).toBe(true);
});

test("a search begins with one beam, and fills up with hopeless ones", () => {
  const settings = { numBeams: 3, lengthPenalty: 1, earlyStopping: false, maxNewTokens: 10 };
  const search = new BeamSearch(settings, (tokens) => tokens.at(-1) === end);
  expect([search.running, search.parents, search.rows, search.done]).toEqual([
    [{ tokens: [], score: 0 }],
    [0],
    1,
    false,
  ]);
  search.advance([
    { parent: 0, token: 1, score: -1 },
    { parent: 0, token: 2, score: -Infinity },
  ]);
  expect(search.running.map(({ tokens, score }) => [tokens, score])).toEqual([
    [[1], -1],
    [[1], -1e9],
    [[1], -1e9],
  ]);
  expect([search.parents, search.rows]).toEqual([[0, 0, 0], 1]);
  search.advance([{ parent: 1, token: 3, score: -2 }]);
  expect([search.rows, search.parents]).toEqual([3, [1, 1, 1]]);
  expect(() => search.advance([{ parent: 0, token: 1, score: -Infinity }])).toThrow(
    "generate: all tokens have probability 0, so no beam can continue; forbid fewer tokens",
  );
});

test("a sequence of as many tokens as may come has ended", () => {
  const settings = { numBeams: 1, lengthPenalty: 1, earlyStopping: false, maxNewTokens: 2 };
  const search = new BeamSearch(settings, () => false);
  search.advance([{ parent: 0, token: 1, score: -1 }]);
  expect(search.done).toBe(false);
  search.advance([{ parent: 0, token: 2, score: -2 }]);
  expect([search.done, search.best(1)]).toEqual([true, [[1, 2]]]);
});

test("a running beam that is only as good as the worst finished one ends the search", () => {
  expect(searched(false, -2.4).done).toBe(true);
  expect(searched(false, -2.39).done).toBe(false);
});

test("the length penalty is the power of the length", () => {
  const best = (lengthPenalty: number) => searched(true, -1.15, lengthPenalty).best(1)[0];
  // The scores are -1 for one token and -2.4 for two.
  expect(best(1)).toEqual([end]);
  expect(best(1.5)).toEqual([1, end]);
  expect(best(0)).toEqual([end]);
});

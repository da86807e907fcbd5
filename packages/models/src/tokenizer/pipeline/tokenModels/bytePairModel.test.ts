import { expect, test } from "vitest";
import { MergeQueue, type WaitingMerge } from "./bytePairModel.ts";

/** Yields pseudo-random integers below `most`. */
function* integers(most: number): Generator<number> {
  for (let state = 12345; ; ) {
    state = (state * 1103515245 + 12345) % 2 ** 31;
    yield Math.floor((state / 2 ** 31) * most);
  }
}

const byRank = (a: WaitingMerge, b: WaitingMerge) => a.rank - b.rank || a.position - b.position;

test("merges come by rank, and from left to right, for all sizes", () => {
  const drawn = integers(12);
  for (let size = 0; size <= 40; size++) {
    const queue = new MergeQueue();
    const merges = Array.from({ length: size }, () => ({ rank: drawn.next().value, position: drawn.next().value }));
    for (const { rank, position } of merges) queue.push(rank, position);
    expect(merges.map(() => queue.pop())).toEqual(merges.sort(byRank));
    expect(queue.pop()).toBeUndefined();
  }
});

test("merges that are added between others", () => {
  const drawn = integers(9);
  const queue = new MergeQueue();
  let waiting: WaitingMerge[] = [];
  for (let i = 0; i < 400; i++) {
    if (drawn.next().value < 5) {
      const merge = { rank: drawn.next().value, position: drawn.next().value };
      queue.push(merge.rank, merge.position);
      waiting.push(merge);
    } else {
      waiting = waiting.sort(byRank);
      expect(queue.pop()).toEqual(waiting.shift());
    }
  }
});

test("large ranks and positions stay exact", () => {
  const queue = new MergeQueue();
  const most = 2 ** 28 - 1;
  queue.push(500_000, most);
  queue.push(500_001, 0);
  queue.push(0, most);
  expect(queue.pop()).toEqual({ rank: 0, position: most });
  expect(queue.pop()).toEqual({ rank: 500_000, position: most });
  expect(queue.pop()).toEqual({ rank: 500_001, position: 0 });
});

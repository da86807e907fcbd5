import { describe, expect, it } from "vitest";
import { type Block, FreeLists } from "./freeLists.ts";

const blockOf = (size: number): Block => ({
  ...{ start: 0, size, free: false, previous: null, next: null, newer: null, older: null },
});

/** A generator of values from 0 to 1, the same in each run. */
function draws(): () => number {
  let state = 7;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

describe("lists of free blocks", () => {
  it("have 16 classes in each doubling, of the same width", () => {
    for (let doubling = 1; doubling <= 22; doubling++) {
      const width = 2 ** (doubling - 1);
      for (let step = 16; step < 32; step++) {
        const lists = new FreeLists();
        const [least, most, next] = [step * width, (step + 1) * width - 1, (step + 1) * width].map(blockOf);
        for (const block of [next, least, most]) lists.add(block);
        // Within a class the newest block that fits is found first.
        expect([lists.find(least.size), lists.find(most.size), lists.find(next.size)]).toEqual([most, most, next]);
        lists.remove(most);
        expect(lists.find(least.size)).toBe(least);
        lists.remove(least);
        expect(lists.find(least.size)).toBe(next);
      }
    }
  });

  it("try eight blocks of a class before they take a larger one", () => {
    for (const [smaller, wanted] of [
      [7, 1024 + 63],
      [8, 2048],
    ] as const) {
      const lists = new FreeLists();
      for (const size of [2048, 1024 + 63]) lists.add(blockOf(size));
      for (let i = 0; i < smaller; i++) lists.add(blockOf(1024));
      expect(lists.find(1024 + 60)?.size).toBe(wanted);
    }
  });

  it("find a block of each size, where there is one, and none where all are smaller", () => {
    const sizes = [
      1,
      2,
      15,
      16,
      17,
      31,
      32,
      33,
      34,
      35,
      63,
      64,
      66,
      67,
      1000,
      1023,
      1024,
      2 ** 20,
      2 ** 26 - 1,
      2 ** 26,
    ];
    for (const own of sizes) {
      const lists = new FreeLists();
      const block = blockOf(own);
      expect(lists.find(own)).toBeNull();
      lists.add(block);
      expect(block.free).toBe(true);
      for (const size of sizes) expect(lists.find(size), `${size} of ${own}`).toBe(size <= own ? block : null);
      expect(lists.find(own + 1)).toBeNull();
      lists.remove(block);
      expect(block).toMatchObject({ free: false, newer: null, older: null });
      expect(lists.find(1)).toBeNull();
    }
  });

  it("give a block of nearly the smallest size that is large enough, in any state", () => {
    const next = draws();
    const lists = new FreeLists();
    const free: Block[] = [];
    for (let step = 0; step < 1000; step++) {
      const size = Math.floor(2 ** (20 * next())) + (next() < 0.3 ? 0 : Math.floor(40 * next()));
      if (next() < 0.5 || free.length === 0) {
        const block = blockOf(size);
        lists.add(block);
        free.push(block);
      } else lists.remove(free.splice(Math.floor(next() * free.length), 1)[0]);
      const wanted = Math.floor(2 ** (21 * next()));
      const found = lists.find(wanted);
      const fitting = free.filter((block) => block.size >= wanted).map((block) => block.size);
      if (fitting.length === 0) expect(found).toBeNull();
      else {
        expect(free).toContain(found);
        const { size: given } = found as Block;
        expect(given).toBeGreaterThanOrEqual(wanted);
        // Sizes of one class differ by a sixteenth, so the best block in the class of the wanted size may be missed.
        const others = fitting.filter((one) => one >= wanted * (1 + 1 / 16));
        if (others.length > 0) expect(given).toBeLessThanOrEqual(Math.min(...others) * (1 + 1 / 16));
        else expect(given).toBeLessThan(wanted * (1 + 1 / 8) + 1);
      }
    }
  });

  it("give the block that came last of those of one size", () => {
    const lists = new FreeLists();
    const blocks = [100, 100, 100].map(blockOf);
    for (const block of blocks) lists.add(block);
    expect(lists.find(100)).toBe(blocks[2]);
    lists.remove(blocks[1]);
    expect([blocks[2].older, blocks[0].newer]).toEqual([blocks[0], blocks[2]]);
    lists.remove(blocks[2]);
    expect(lists.find(100)).toBe(blocks[0]);
    expect(blocks[0].newer).toBeNull();
  });

  it("take a larger block where many of the class are too small, and search those where there is none", () => {
    const lists = new FreeLists();
    // A class of sizes from 1024 on is 64 wide.
    const fits = blockOf(1080);
    lists.add(fits);
    for (let i = 0; i < 50; i++) lists.add(blockOf(1030));
    expect(lists.find(1080)).toBe(fits);
    const larger = blockOf(5000);
    lists.add(larger);
    expect(lists.find(1080)).toBe(larger);
    expect(lists.find(1087)).toBe(larger);
    lists.remove(larger);
    expect(lists.find(1087)).toBeNull();
  });
});

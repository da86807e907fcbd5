import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { blocks } from "./packExamples.ts";

describe("blocks", () => {
  test("BOS and the next tokens", () => {
    const found = blocks(Int32Array.of(5, 6, 7, 8, 9), { blockSize: 3, bosTokenId: 1 });
    expect(found.map(({ inputIds }) => inputIds)).toEqual([
      [1, 5, 6],
      [1, 7, 8],
      [1, 9],
    ]);
    const whole = [5, 7].map((id) => ({ inputIds: [id, id + 1], labels: [id, id + 1] }));
    expect(blocks([5, 6, 7, 8], { blockSize: 2 })).toEqual(whole);
    expect(blocks([], { blockSize: 2 })).toEqual([]);
    expect(blocks([5, 6, 7], { blockSize: 2, dropLast: true })).toEqual([{ inputIds: [5, 6], labels: [5, 6] }]);
  });

  test("80,000 tokens make 630 blocks of BOS + 127, the last one shorter", () => {
    const found = blocks(new Int32Array(80000), { blockSize: 128, bosTokenId: 1 });
    expect(found).toHaveLength(630);
    expect(found.slice(0, 629).every(({ inputIds }) => inputIds.length === 128)).toBe(true);
    expect(found[629].inputIds).toHaveLength(1 + 80000 - 629 * 127);
  });

  test("every token is used once, in order", () => {
    const size = fc.integer({ min: 2, max: 9 });
    fc.assert(
      fc.property(fc.array(fc.nat(99)), size, fc.option(fc.constant(100)), (tokens, blockSize, bosTokenId) => {
        const found = blocks(tokens, { blockSize, bosTokenId });
        const start = bosTokenId === null ? 0 : 1;
        expect(found.flatMap(({ inputIds }) => inputIds.slice(start))).toEqual(tokens);
        for (const { inputIds, labels } of found) {
          expect(labels).toEqual(inputIds);
          if (bosTokenId !== null) expect(inputIds[0]).toBe(bosTokenId);
        }
        expect(found.slice(0, -1).every(({ inputIds }) => inputIds.length === blockSize)).toBe(true);
      }),
    );
  });

  test("a size without room for a token is an error", () => {
    expect(() => blocks([1], { blockSize: 1, bosTokenId: 0 })).toThrow(
      "blockSize is 1; expected a whole number of at least 2",
    );
  });
});

import fc from "fast-check";
import { expect, test } from "vitest";
import { collate } from "./collate.ts";

test("pads on the right, and reports what it cuts", () => {
  const examples = [
    { inputIds: [5, 6, 7], labels: [-100, 6, 7] },
    { inputIds: [8], labels: [8] },
    { inputIds: [9, 9, 9, 9, 9], labels: [9, 9, 9, 9, 9] },
  ];
  expect(collate(examples, { padTokenId: 0, maxLength: 3, padToMultipleOf: 4 })).toEqual({
    inputIds: Int32Array.of(5, 6, 7, 0, 8, 0, 0, 0, 9, 9, 9, 0),
    labels: Int32Array.of(-100, 6, 7, -100, 8, -100, -100, -100, 9, 9, 9, -100),
    attentionMask: Uint8Array.of(1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 1, 0),
    batchSize: 3,
    length: 4,
    truncatedExamples: 1,
    truncatedTokens: 2,
  });
});

test("the mask is 1 on tokens, padding is never a label, nothing is lost unreported", () => {
  const padTokenId = 2;
  const example = fc.array(fc.tuple(fc.nat(9), fc.boolean()), { minLength: 1, maxLength: 20 }).map((tokens) => ({
    inputIds: tokens.map(([id]) => id),
    labels: tokens.map(([id, learned]) => (learned ? id : -100)),
  }));
  const limits = fc.record({
    padToMultipleOf: fc.integer({ min: 1, max: 8 }),
    maxLength: fc.integer({ min: 1, max: 25 }),
  });
  fc.assert(
    fc.property(fc.array(example, { minLength: 1, maxLength: 6 }), limits, (examples, options) => {
      const batch = collate(examples, { padTokenId, ...options });
      const { inputIds, labels, attentionMask, batchSize, length } = batch;
      expect(batchSize).toBe(examples.length);
      expect(length % options.padToMultipleOf).toBe(0);
      expect(length).toBeLessThan(Math.max(...examples.map((e) => e.inputIds.length)) + options.padToMultipleOf);
      for (const [row, e] of examples.entries()) {
        const size = Math.min(e.inputIds.length, options.maxLength);
        const at = row * length;
        expect(Array.from(inputIds.subarray(at, at + size))).toEqual(e.inputIds.slice(0, size));
        expect(Array.from(labels.subarray(at, at + size))).toEqual(e.labels.slice(0, size));
        expect(attentionMask.subarray(at, at + length).every((m, i) => m === (i < size ? 1 : 0))).toBe(true);
        expect(inputIds.subarray(at + size, at + length).every((id) => id === padTokenId)).toBe(true);
      }
      expect(labels.every((label, i) => label === -100 || (attentionMask[i] === 1 && label === inputIds[i]))).toBe(
        true,
      );
      const tokens = examples.reduce((sum, e) => sum + e.inputIds.length, 0);
      expect(attentionMask.reduce((a, b) => a + b) + batch.truncatedTokens).toBe(tokens);
      expect(batch.truncatedExamples).toBe(examples.filter((e) => e.inputIds.length > options.maxLength).length);
    }),
  );
});

test("misuse is named", () => {
  const one = [{ inputIds: [1], labels: [1] }];
  expect(() => collate([], { padTokenId: 0 })).toThrow("there are no examples");
  expect(() => collate(one, { padTokenId: 0, maxLength: 0 })).toThrow("maxLength is 0");
  expect(() => collate(one, { padTokenId: 0, padToMultipleOf: 1.5 })).toThrow("padToMultipleOf is 1.5");
  expect(() => collate([{ inputIds: [1, 2], labels: [1] }], { padTokenId: 0 })).toThrow("2 tokens and 1 labels");
});

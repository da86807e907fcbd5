import { expect, test } from "vitest";
import { randomBatch, withoutBlindLogits } from "./batch.ts";

test("the last row is padded on either side; padding is not predicted, nor the token that only padding stands before", () => {
  const shape = { rows: 2, length: 5, padding: 2 };
  const right = randomBatch(1, 50, { ...shape, side: "right" });
  const left = randomBatch(1, 50, { ...shape, side: "left" });
  expect(right.attention_mask).toEqual([
    [1, 1, 1, 1, 1],
    [1, 1, 1, 0, 0],
  ]);
  expect(left.attention_mask[1]).toEqual([0, 0, 1, 1, 1]);
  expect(right.labels[1]).toEqual([...right.input_ids[1].slice(0, 3), -100, -100]);
  expect(left.labels[1]).toEqual([-100, -100, -100, ...left.input_ids[1].slice(3)]);
  expect(left.input_ids[0]).toEqual(right.input_ids[0]);
});

test("logits of padding on the left are left out, those of virtual tokens and all else stay", () => {
  const batch = randomBatch(1, 50, { rows: 2, length: 3, padding: 2, side: "left" });
  // Two rows of one virtual token and three batch tokens each, with two classes.
  const logits = Float32Array.from({ length: 16 }, (_, i) => i);
  const results = withoutBlindLogits(
    new Map([
      ["logits", logits],
      ["losses", logits],
    ]),
    batch,
    2,
  );
  expect([...results.get("logits")!]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 14, 15]);
  expect(results.get("losses")).toBe(logits);
});

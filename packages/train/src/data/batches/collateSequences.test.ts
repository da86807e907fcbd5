import { expect, test } from "vitest";
import { collateSequences } from "./collateSequences.ts";

const options = { padTokenId: 9 };

test("a label for each sequence", () => {
  const batch = collateSequences(
    [
      { inputIds: [1, 2], label: 1 },
      { inputIds: [3], label: 0 },
    ],
    options,
  );
  expect(batch).toMatchObject({ labels: Float32Array.of(1, 0), labelShape: [2], inputIds: Int32Array.of(1, 2, 3, 9) });
  expect("tokenTypeIds" in batch).toBe(false);
});

test("a list of labels for each sequence", () => {
  const [first, second] = [
    { inputIds: [1], label: [1, 0, 1] },
    { inputIds: [2], label: [0, 0, 1] },
  ];
  const { labels, labelShape } = collateSequences([first, second], options);
  expect({ labels: [...labels], labelShape }).toEqual({ labels: [1, 0, 1, 0, 0, 1], labelShape: [2, 3] });
  expect(collateSequences([{ inputIds: [1], label: [1] }], options).labelShape).toEqual([1, 1]);
  for (const label of [[1, 0], 1]) {
    const size = [label].flat().length;
    expect(() => collateSequences([first, { inputIds: [2], label }], options)).toThrow(
      `collate: example 1 has ${size} labels and example 0 has 3; give all examples the same number`,
    );
  }
});

test("segments are padded with 0 and truncated with their tokens", () => {
  const examples = [
    { inputIds: [1, 2, 3], label: 0, tokenTypeIds: [0, 1, 1] },
    { inputIds: [4, 5], label: 1, tokenTypeIds: [1, 1] },
    { inputIds: [6], label: 1 },
    { inputIds: [7], label: 1, tokenTypeIds: [] },
  ];
  expect(collateSequences(examples, options).tokenTypeIds).toEqual(Int32Array.of(0, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0));
  const cut = collateSequences(examples, { ...options, maxLength: 2 });
  expect(cut.tokenTypeIds).toEqual(Int32Array.of(0, 1, 1, 1, 0, 0, 0, 0));
  for (const tokenTypeIds of [[1], [1, 1, 1]]) {
    expect(() => collateSequences([examples[0], { ...examples[1], tokenTypeIds }], options)).toThrow(
      `collate: example 1 has 2 tokens and ${tokenTypeIds.length} tokenTypeIds; expected equal numbers`,
    );
  }
});

import { expect, test } from "vitest";
import { classMetrics, entitiesOf, entityMetrics, labelMetrics } from "./metrics.ts";

const rows = (...values: number[][]) => values.map((row) => Float32Array.from(row));

test("the class of a row is its largest number, the first of several", () => {
  const predictions = rows([1, 1, 0], [0, 2, 2], [-3, -2, -1], [5, 4, 3]);
  expect(classMetrics({ predictions, labelIds: rows([0], [1], [2], [0]) })).toEqual({
    ...{ accuracy: 1, f1Macro: 1, f1Micro: 1 },
  });
  expect(classMetrics({ predictions: rows([0, 1]), labelIds: rows([1]) })).toMatchObject({ accuracy: 1, f1: 1 });
  // Class 3 occurs neither in labels nor in predictions; class 0 only in labels; class 1 only in predictions.
  const missed = classMetrics({ predictions: rows([0, 1, 0, 0], [0, 0, 1, 0]), labelIds: rows([0], [2]) });
  expect(missed).toEqual({ accuracy: 0.5, f1Macro: 1 / 3, f1Micro: 0.5 });
});

test("a label is given above 0, and is there above a half", () => {
  const at = (logit: number, label: number) => labelMetrics({ predictions: rows([logit]), labelIds: rows([label]) });
  const right = { f1Macro: 1, f1Micro: 1, exactMatch: 1 };
  const none = { f1Macro: 0, f1Micro: 0, exactMatch: 1 };
  const wrong = { f1Macro: 0, f1Micro: 0, exactMatch: 0 };
  expect([at(0.01, 1), at(0.01, 0.51), at(1.5, 1)]).toEqual([right, right, right]);
  expect([at(0, 0), at(-0.01, 0.5), at(0, 0.5)]).toEqual([none, none, none]);
  expect([at(0, 1), at(0.01, 0), at(0.01, 0.5), at(0, 0.51)]).toEqual([wrong, wrong, wrong, wrong]);
  const two = labelMetrics({ predictions: rows([1, 1], [1, -1], [1, -1]), labelIds: rows([1, 0], [1, 1], [0, 0]) });
  // Label 0: 2 hits, 1 wrong; label 1: 1 wrong, 1 missed.
  expect(two).toEqual({ f1Macro: (4 / 5 + 0) / 2, f1Micro: 4 / 7, exactMatch: 0 });
});

test("entities are told by seqeval's rules for every tag", () => {
  const cases: [string, string[]][] = [
    ["B-A I-A O B-A", ["A 0 1", "A 3 3"]],
    ["I-A I-B I-B", ["A 0 0", "B 1 2"]],
    ["B-A B-A", ["A 0 0", "A 1 1"]],
    ["S-A S-A I-A E-A", ["A 0 0", "A 1 1", "A 2 3"]],
    ["B-A E-A E-A", ["A 0 1", "A 2 2"]],
    ["E-A I-A", ["A 0 0", "A 1 1"]],
    ["B-A-B I-A-B", ["A-B 0 1"]],
    ["B I O", [" 0 1"]],
    ["O O", []],
    ["", []],
  ];
  for (const [labels, expected] of cases) {
    expect([...entitiesOf(labels === "" ? [] : labels.split(" "))], labels).toEqual(expected);
  }
});

test("entities that are wanted, given and right", () => {
  const names = ["O", "B-A", "I-A"];
  const ids = (...values: number[][]) => values.map((row) => Int32Array.from(row));
  const measured = entityMetrics(
    { predictions: ids([1, 2, 0, 1], [0, 1]), labelIds: ids([1, 2, 0, 0], [1, 1]) },
    names,
  );
  // Predictions: 0-1, 3-3 and 1-1; labels: 0-1, 0-0 and 1-1.
  expect(measured).toEqual({ accuracy: 4 / 6, precision: 2 / 3, recall: 2 / 3, f1: expect.closeTo(2 / 3, 12) });
  const none = entityMetrics({ predictions: ids([0]), labelIds: ids([0]) }, names);
  expect(none).toEqual({ accuracy: 1, precision: 0, recall: 0, f1: 0 });
  expect(entityMetrics({ predictions: ids([0]), labelIds: ids([1]) }, ["X", "Y-A"])).toEqual({ accuracy: 0 });
});

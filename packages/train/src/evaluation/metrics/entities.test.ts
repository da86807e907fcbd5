import { expect, test } from "vitest";
import { entitiesOf, entityMetrics } from "./metrics.ts";

const found = (labels: string): string[] => [...entitiesOf(labels.split(" "))];

// The chunks of CoNLL's script, with the first and the last token of each.
test.each<[string, string[]]>([
  ["O O", []],
  ["B-A", ["A 0 0"]],
  ["O B-A I-A O", ["A 1 2"]],
  ["B-A I-A B-A", ["A 0 1", "A 2 2"]],
  ["B-A B-B I-B", ["A 0 0", "B 1 2"]],
  ["I-A I-A O I-A", ["A 0 1", "A 3 3"]],
  ["I-A B-A", ["A 0 0", "A 1 1"]],
  ["I-A I-B", ["A 0 0", "B 1 1"]],
  ["B-A I-B", ["A 0 0", "B 1 1"]],
  ["I-A E-A I-A E-A", ["A 0 1", "A 2 3"]],
  ["E-A E-A", ["A 0 0", "A 1 1"]],
  ["O E-A O", ["A 1 1"]],
  ["B-A I-A E-A S-A S-B O", ["A 0 2", "A 3 3", "B 4 4"]],
  ["B-A S-A", ["A 0 0", "A 1 1"]],
  ["I-A S-A I-A", ["A 0 0", "A 1 1", "A 2 2"]],
  ["B-A-B I-A-B", ["A-B 0 1"]],
  ["B I O", [" 0 1"]],
  ["Other B-A Other", ["A 1 1"]],
  ["B-A . I", ["A 0 0", " 0 2"]],
  ["X I", [" 0 1"]],
  ["B-A -A", ["A 0 1"]],
])("the entities of %s", (labels, expected) => expect(found(labels)).toEqual(expected));

test("shares of tokens and of entities", () => {
  const names = ["O", "B-A", "I-A", "B-B"];
  const predictions = [Int32Array.of(1, 2, 0, 3), Int32Array.of(1, 0)];
  const labelIds = [Int32Array.of(1, 2, 0, 1), Int32Array.of(1, 2)];
  const metrics = entityMetrics({ predictions, labelIds } as never, names);
  // Predictions: A 0-1, B 3-3, A 0-0. Labels: A 0-1, A 3-3, A 0-1. One entity is in both.
  expect(metrics.accuracy).toBeCloseTo(4 / 6, 12);
  expect(metrics.precision).toBeCloseTo(1 / 3, 12);
  expect(metrics.recall).toBeCloseTo(1 / 3, 12);
  expect(metrics.f1).toBeCloseTo(1 / 3, 12);

  const fewer = entityMetrics({ predictions: [[1, 0, 0]], labelIds: [[1, 0, 3]] } as never, names);
  expect([fewer.precision, fewer.recall]).toEqual([1, 0.5]);
  expect(fewer.f1).toBeCloseTo(2 / 3, 12);
  const none = entityMetrics({ predictions: [[0]], labelIds: [[0]] } as never, names);
  expect(none).toEqual({ accuracy: 1, precision: 0, recall: 0, f1: 0 });
  expect(entityMetrics({ predictions: [[0, 1]], labelIds: [[0, 0]] } as never, ["X", "Y"])).toEqual({ accuracy: 0.5 });
});

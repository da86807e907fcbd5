import { OptionError } from "@lowrank/core";
import { expect, test } from "vitest";
import { rowOf } from "../../testing/comparisonOf.ts";
import { paretoFront } from "./paretoFront.ts";

const quality = (mean: number) => ({ metric: "accuracy", mean, deviation: 0, higherIsBetter: true });
const rows = [
  rowOf("small", { trainable: 10, bytesSaved: 900, trainingBytes: null, quality: quality(0.5) }),
  rowOf("large", { trainable: 90, bytesSaved: 100, trainingBytes: null, quality: quality(0.9) }),
  rowOf("untrained"),
];
const names = (...args: Parameters<typeof paretoFront>) => paretoFront(...args).map(({ name }) => name);

test("the front depends on the cost, and rows without a quality are left out", () => {
  expect([names(rows), names(rows, "bytesSaved")]).toEqual([["small", "large"], ["large"]]);
  expect(names([...rows, rowOf("known", { quality: quality(0.1) })], "trainingBytes")).toEqual(["known"]);
});

test("a cost that no row with a quality has is an OptionError, and an empty list has an empty front", () => {
  const message =
    'cost is "trainingBytes", which is null in each row with a quality; give one of "trainable", "bytesSaved", "inferenceParameters"';
  expect(() => paretoFront(rows, "trainingBytes")).toThrow(`paretoFront: ${message}`);
  expect(() => paretoFront(rows, "trainingBytes")).toThrow(OptionError);
  expect([names([], "trainingBytes"), names([rowOf("untrained")], "trainingBytes")]).toEqual([[], []]);
});

test("an unknown cost is an OptionError", () => {
  const choices = '"trainable", "bytesSaved", "trainingBytes", "inferenceParameters"';
  for (const given of [[], [rowOf("a", { quality: quality(1) })]]) {
    expect(() => paretoFront(given, "nothing" as never)).toThrow(
      `cost is "nothing", which is no cost; give one of ${choices}`,
    );
  }
});

import { init, reference, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { checkInputs } from "./promptedBatch.ts";

beforeAll(() => init(reference()));

const ids = (rows: number[][]) => tensor(rows, { dtype: "i32" });

test("the largest position is a whole number from 0, beside positions", () => {
  const check =
    (maxPosition: number | undefined, given = true) =>
    () =>
      checkInputs({ inputIds: ids([[1, 2]]), positionIds: given ? ids([[0, 1]]) : undefined, maxPosition });
  for (const position of [undefined, 0, 1, 7]) expect(check(position)).not.toThrow();
  expect(check(undefined, false)).not.toThrow();
  for (const position of [-1, 0.5, Number.NaN]) {
    expect(check(position)).toThrow(`maxPosition is ${position}; give the largest of positionIds, an integer from 0`);
  }
  expect(check(1, false)).toThrow("maxPosition is 1 without positionIds; give the largest");
  expect(() => checkInputs({ inputIds: ids([[1]]), positionIds: null, maxPosition: 0 })).toThrow("without positionIds");
});

test("ids are a tensor of two dimensions", () => {
  expect(() => checkInputs({ inputIds: ids([[1], [2]]) })).not.toThrow();
  expect(() => checkInputs({ inputIds: [[1]] as never })).toThrow("inputIds is a list; give a batch of token ids");
  expect(() => checkInputs({ inputIds: undefined as never })).toThrow("inputIds is undefined; give a batch");
  expect(() => checkInputs({ inputIds: tensor([1, 2], { dtype: "i32" }) })).toThrow("a batch is [B, T]");
  expect(() => checkInputs({ inputIds: ids([[1]]).reshape(1, 1, 1) })).toThrow("a batch is [B, T]");
  expect(() => checkInputs({ inputIds: ids([[1]]), mask: 1 } as never)).toThrow("there is no option mask");
});

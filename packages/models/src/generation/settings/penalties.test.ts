import { init, reference, tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { Penalties, type PenaltyOptions, penaltySettings } from "./penalties.ts";

beforeAll(() => init(reference()));

/**
 * Returns the penalized logits 2, -2, 3, 0, 1 after a padded prompt of tokens 0, 1, 0 and the two new tokens 1 and 4.
 */
async function penalised(options: PenaltyOptions): Promise<number[]> {
  const logits = tensor([[2, -2, 3, 0, 1]]);
  using penalties = new Penalties(penaltySettings(options), [1, 5], logits.storage.backend);
  const [mask, one] = [tensor([[0, 1, 1, 1]], { dtype: "u8" }), tensor([[1]], { dtype: "u8" })];
  penalties.countPrompt(tensor([[2, 0, 1, 0]], { dtype: "i32" }), mask);
  penalties.countToken(tensor([[1]], { dtype: "i32" }), one);
  penalties.countToken(tensor([[1]], { dtype: "i32" }), one);
  penalties.countToken(tensor([[4]], { dtype: "i32" }), one);
  penalties.countToken(tensor([[3]], { dtype: "i32" }), tensor([[0]], { dtype: "u8" }));
  return Array.from(await penalties.apply(logits).data());
}

test("the repetition penalty divides positive logits and multiplies negative ones, once a token", async () => {
  expect(await penalised({ repetitionPenalty: 2 })).toEqual([1, -4, 3, 0, 0.5]);
});

test("the frequency penalty counts new tokens, the presence penalty takes each once", async () => {
  expect(await penalised({ frequencyPenalty: 0.5 })).toEqual([2, -3, 3, 0, 0.5]);
  expect(await penalised({ frequencyPenalty: 1 })).toEqual([2, -4, 3, 0, 0]);
  expect(await penalised({ presencePenalty: 0.5 })).toEqual([2, -2.5, 3, 0, 0.5]);
  expect(await penalised({ repetitionPenalty: 2, frequencyPenalty: 0.5, presencePenalty: 1 })).toEqual([
    1, -6, 3, 0, -1,
  ]);
});

test("without penalties the logits are left alone, and bad ones are named", async () => {
  const logits = tensor([[1, 2]]);
  using penalties = new Penalties(penaltySettings({}), [1, 2], logits.storage.backend);
  expect(penalties.any).toBe(false);
  expect(penalties.apply(logits)).toBe(logits);
  const make = (options: PenaltyOptions) => () =>
    new Penalties(penaltySettings(options), [1, 2], logits.storage.backend);
  expect(make({ repetitionPenalty: 0 })).toThrow("repetitionPenalty is 0; expected a positive number");
  expect(make({ presencePenalty: Number.NaN })).toThrow("presencePenalty is NaN");
});

test("the repetition penalty is above 0 and finite, the others are any number", () => {
  const { storage } = tensor([[1]]);
  const make = (options: PenaltyOptions) => () => {
    using _ = new Penalties(penaltySettings(options), [1, 1], storage.backend);
  };
  for (const repetitionPenalty of [0.1, 1, 100]) expect(make({ repetitionPenalty })).not.toThrow();
  for (const repetitionPenalty of [-1, Infinity, Number.NaN]) expect(make({ repetitionPenalty })).toThrow("positive");
  for (const name of ["frequencyPenalty", "presencePenalty"]) {
    for (const value of [-2, 0, 2]) expect(make({ [name]: value })).not.toThrow();
    expect(make({ [name]: Infinity })).toThrow(`${name} is Infinity; expected a number (0 is none)`);
  }
  expect(penaltySettings({})).toEqual({ repetitionPenalty: 1, frequencyPenalty: 0, presencePenalty: 0 });
});

test("each penalty alone is any", () => {
  const { storage } = tensor([[1]]);
  for (const options of [{ repetitionPenalty: 2 }, { frequencyPenalty: 1 }, { presencePenalty: 1 }]) {
    using penalties = new Penalties(penaltySettings(options), [1, 1], storage.backend);
    expect(penalties.any).toBe(true);
  }
});

import { init, reference, scope, type Tensor } from "@lowrank/core";
import { beforeAll, expect, test } from "vitest";
import { LoraConfig, type LoraOptions } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { TinyModel, tinyBatch } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

/** A token that occurs twice in the batch. */
const padding = 4;

/** Returns the gradients of the trained parameters, by name. */
async function gradients(options: LoraOptions, paddingIdx?: number, tied = false): Promise<Map<string, number[]>> {
  const config = new LoraConfig({ r: 2, initLoraWeights: false, targetModules: ["up"], ...options });
  const peft = await getPeftModel(new TinyModel({ paddingIdx, tied }), config, { onWarning: () => {} });
  scope(() => peft.loss(tinyBatch()).backward());
  const trained = [...peft.namedParameters()].filter(([, { requiresGrad }]) => requiresGrad);
  return new Map(trained.map(([name, { grad }]) => [name, numbers(grad!)]));
}

const numbers = (t: Tensor) => [...(t.dataSync() as Float32Array)];

/** Returns a gradient with the rows of padding set to zero. */
function without(values: readonly number[], isPadding: (place: number) => boolean): number[] {
  return values.map((value, place) => (isPadding(place) ? 0 : value));
}

test.each<[string, LoraOptions, string, (place: number) => boolean]>([
  ["A of LoRA", { targetModules: ["embed_tokens"] }, "lora_embedding_A", (place) => place % 11 === padding],
  [
    "A of DoRA",
    { targetModules: ["embed_tokens"], useDora: true },
    "lora_embedding_A",
    (place) => place % 11 === padding,
  ],
  ["a row that trains", { trainableTokenIndices: [2, padding] }, "tokens_delta", (place) => place >= 6],
  [
    "a table that trains whole",
    { modulesToSave: ["embed_tokens"] },
    "embed_tokens",
    (place) => Math.floor(place / 6) === padding,
  ],
])("padding trains no part of %s", async (_, options, table, isPadding) => {
  const [all, padded] = [await gradients(options), await gradients(options, padding)];
  expect([...padded.keys()]).toEqual([...all.keys()]);
  for (const [name, values] of all) {
    const expected = name.includes(table) ? without(values, isPadding) : values;
    expect(padded.get(name), name).toEqual(expected);
    if (name.includes(table)) expect(values).not.toEqual(expected);
  }
});

test("a row that the output layer shares trains by that", async () => {
  const options = { trainableTokenIndices: [2, padding] };
  const [all, padded] = [await gradients(options, undefined, true), await gradients(options, padding, true)];
  const name = [...all.keys()].find((key) => key.includes("tokens_delta"))!;
  const [mine, theirs] = [padded.get(name)!, all.get(name)!];
  expect(mine.slice(0, 6)).toEqual(theirs.slice(0, 6));
  expect(mine.slice(6)).not.toEqual(theirs.slice(6));
  expect(mine.slice(6)).not.toEqual(new Array(6).fill(0));
});

import { copyInto, full, init, memory, noGrad, reference, scope, type Tensor } from "@lowrank/core";
import type { Linear } from "@lowrank/nn";
import { beforeAll, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import { TinyModel, tinyBatch, train } from "../../testing/tinyModel.ts";
import { LoraConfig } from "./loraConfig.ts";

beforeAll(() => init(reference()));

async function trained() {
  const config = new LoraConfig({ r: 2, useDora: true, targetModules: ["up", "down", "lm_head"] });
  const peft = await getPeftModel(new TinyModel(), config);
  train(peft);
  return peft;
}

type Model = Awaited<ReturnType<typeof trained>>;

const logits = (peft: Model) => scope(() => peft.forward(tinyBatch()).logits).dataSync() as Float32Array;
/** Computes logits without cached tensors, except for the row squares. */
const freshLogits = logits;
const cachedLogits = (peft: Model) => noGrad(() => logits(peft));

test.each<[string, (peft: Model) => Tensor]>([
  ["a length", (peft) => peft.adapterTensors().get("base_model.model.layers.0.up.lora_magnitude_vector")!],
  ["B", (peft) => peft.adapterTensors().get("base_model.model.layers.1.down.lora_B.weight")!],
  ["A", (peft) => peft.adapterTensors().get("base_model.model.lm_head.lora_A.weight")!],
  [
    "the base weight",
    (peft) => (peft.disableAdapter(() => peft.baseModel.getSubmodule("layers.0.up")) as Linear).weight,
  ],
])("what is kept of the weights goes when %s is written to", async (_name, pick) => {
  const peft = await trained();
  const before = freshLogits(peft);
  expect(cachedLogits(peft)).toEqual(before);
  expect(cachedLogits(peft)).toEqual(before);
  const changed = pick(peft);
  noGrad(() => copyInto(changed, full(changed.shape, 0.7)));
  const after = cachedLogits(peft);
  expect(after).not.toEqual(before);
  expect(after).toEqual(freshLogits(peft));
  // Squared row norms that were cached during training equal a new model's.
  const again = await trained();
  const same = pick(again);
  noGrad(() => copyInto(same, full(same.shape, 0.7)));
  expect(freshLogits(again)).toEqual(after);
});

test("what is kept is freed with the adapter, and does not grow", async () => {
  const peft = await trained();
  cachedLogits(peft);
  const held = memory().buffers;
  for (let i = 0; i < 3; i++) noGrad(() => scope(() => void peft.forward(tinyBatch())));
  expect(memory().buffers).toBe(held);
  const adapter = 5 * 3 + 5 * 2;
  peft.deleteAdapter("default");
  expect(memory().buffers).toBeLessThanOrEqual(held - adapter);
});

test("dropout applies in training alone", async () => {
  const config = new LoraConfig({ r: 2, useDora: true, loraDropout: 0.5, targetModules: ["up", "down"] });
  const peft = await getPeftModel(new TinyModel(), config);
  train(peft);
  const [one, other] = [logits(peft), logits(peft)];
  expect(one).not.toEqual(other);
  peft.eval();
  expect(logits(peft)).toEqual(logits(peft));
  expect(logits(peft)).not.toEqual(one);
});

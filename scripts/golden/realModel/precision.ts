import { join } from "node:path";
import { type MatmulPrecision, setFloat32MatmulPrecision } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { type Check, within } from "../compare.ts";
import { type ExpectedForward, type ExpectedTraining, readExpected } from "./expected.ts";
import { lossOf } from "./forward.ts";
import { RecordedTraining } from "./training.ts";

/** The most that the perplexity of all texts together may differ, relative to it. */
const perplexityTolerance = 1e-3;
/** The most nats that the loss of a text of some 50 tokens, or of a step, may differ. */
const lossTolerance = 2e-3;
/** The least cosine of a tensor's gradient to that of f32. */
const leastCosine = 0.9995;

/**
 * Products of "high" precision: losses of texts, the direction of every gradient, and the losses of
 * recorded training steps, within stated limits of f32's.
 */
export async function* precision(dir: string, model: CausalLM, { long }: { long: boolean }): AsyncGenerator<Check> {
  const expected = readExpected<ExpectedTraining>(dir, "train");
  const peft = await PeftModel.fromPretrained(model, join(dir, "lora-init"), { isTrainable: true });
  using trainer = new RecordedTraining(peft, expected);
  try {
    yield* directions(trainer);
    setFloat32MatmulPrecision("high");
    yield* texts(dir, peft);
    const steps = long ? expected.steps.length : 20;
    for (let step = 0; step < steps; step++) {
      const loss = await trainer.backward();
      trainer.update();
      if (step < 20 || step % 10 === 9) {
        yield within(`high precision: step ${step} loss`, [loss], [expected.losses[step]], lossTolerance);
      }
    }
  } finally {
    setFloat32MatmulPrecision("highest");
    peft.unload();
  }
}

/** Each text's loss, and the perplexity of all; the adapter has not trained. */
async function* texts(dir: string, model: PeftModel<CausalLM>): AsyncGenerator<Check> {
  let [tokens, sum, expectedSum] = [0, 0, 0];
  for (const [i, { ids, loss }] of readExpected<ExpectedForward>(dir, "forward").texts.entries()) {
    const found = await lossOf(model, ids);
    yield within(`high precision: text ${i} loss`, [found], [loss], lossTolerance);
    tokens += ids.length - 1;
    sum += found * (ids.length - 1);
    expectedSum += loss * (ids.length - 1);
  }
  const ratio = Math.exp((sum - expectedSum) / tokens);
  yield within("high precision: perplexity of the texts, over that of f32", [ratio], [1], perplexityTolerance);
}

/** The cosine of each tensor's gradient to that of f32, at the first step. */
async function* directions(trainer: RecordedTraining): AsyncGenerator<Check> {
  const under = async (which: MatmulPrecision) => {
    setFloat32MatmulPrecision(which);
    await trainer.backward();
    return trainer.gradients();
  };
  const [exact, high] = [await under("highest"), await under("high")];
  for (const [name, gradient] of high) {
    const found = cosine(gradient, exact.get(name)!);
    const check = { name: `high precision: gradient of ${name}` };
    // Factors that begin as zeros give their partners none.
    if (Number.isNaN(found) || found >= leastCosine) yield { ...check, off: 1 - (found || 1) };
    else yield { ...check, error: `its cosine to that of f32 is ${found}, below ${leastCosine}` };
  }
}

function cosine(a: Float32Array, b: Float32Array): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    ab += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return ab / Math.sqrt(aa * bb);
}

import { join } from "node:path";
import { type MatmulPrecision, setFloat32MatmulPrecision } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { type Check, within } from "../compare.ts";
import { type ExpectedForward, type ExpectedTraining, readExpected } from "./expected.ts";
import { textLoss } from "./forward.ts";
import { RecordedTraining } from "./training.ts";

/** The most that a text's loss may differ, relative to it: less than 0.1 % of its perplexity. */
const textTolerance = 2.5e-4;
/** The most that the loss of a training step may differ from the recorded one, in nats. */
const stepTolerance = 2e-3;
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
    for (const [i, { ids, loss }] of readExpected<ExpectedForward>(dir, "forward").texts.entries()) {
      // The adapter is one that has not trained.
      yield await textLoss(`high precision: text ${i} loss`, peft, ids, loss, textTolerance);
    }
    const steps = long ? expected.steps.length : 20;
    for (let step = 0; step < steps; step++) {
      const loss = await trainer.backward();
      trainer.update();
      if (step < 20 || step % 10 === 9) {
        yield within(`high precision: step ${step} loss`, [loss], [expected.losses[step]], stepTolerance);
      }
    }
  } finally {
    setFloat32MatmulPrecision("highest");
    peft.unload();
  }
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

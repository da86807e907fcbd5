import { join } from "node:path";
import { type MatmulPrecision, setFloat32MatmulPrecision } from "@lowrank/core";
import type { CausalLM } from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within } from "../check/compare.ts";
import { type ExpectedForward, type ExpectedGreedy, type ExpectedTraining, readExpected } from "./expected.ts";
import { lastLogits, lossOf } from "./forward.ts";
import { agreement } from "./greedy.ts";
import { RecordedTraining } from "./training.ts";

/** Limits for the difference between results of a precision and f32. */
interface Limits {
  /** The largest difference of the perplexity of all texts together, relatively. */
  readonly perplexity: number;
  /** The largest difference in nats of the loss of a text of about 50 tokens, or of a step. */
  readonly loss: number;
  /** The least cosine of a tensor's gradient and its f32 gradient. */
  readonly cosine: number;
}

/** Recorded steps of a short run. */
const fewSteps = 6;

/** Weights of a run: f32, or blocks of a GGUF file, whose 4-bit codes are multiplied by 8-bit rows. */
type Weights = "f32 weights" | "packed";

/** The limits of "high", and of "medium" by kind of weights. */
const limits: Readonly<Record<"high" | Weights, Limits>> = {
  high: { perplexity: 1e-3, loss: 2e-3, cosine: 0.9995 },
  "f32 weights": { perplexity: 1e-3, loss: 2e-3, cosine: 0.985 },
  packed: { perplexity: 5e-3, loss: 2e-2, cosine: 0.985 },
};

/**
 * Checks each lower precision of products with the weights of `model`: losses of texts, the direction of every
 * gradient, and the losses of recorded training steps.
 */
export async function* precisions(
  weights: Weights,
  dir: string,
  model: CausalLM,
  { long }: { long: boolean },
): AsyncGenerator<Check> {
  for (const which of ["high", "medium"] as const) {
    const most = limits[which === "high" ? which : weights];
    yield* precision(`${weights}, ${which} precision`, dir, model, which, { ...most, long });
  }
}

async function* precision(
  name: string,
  dir: string,
  model: CausalLM,
  which: MatmulPrecision,
  { long, ...most }: Limits & { long: boolean },
): AsyncGenerator<Check> {
  const expected = readExpected<ExpectedTraining>(dir, "train");
  const peft = await PeftModel.fromPretrained(model, join(dir, "lora-init"), { isTrainable: true });
  using trainer = new RecordedTraining(peft, expected);
  try {
    yield* directions(name, trainer, which, most.cosine);
    setFloat32MatmulPrecision(which);
    yield* texts(name, dir, peft, most);
    const steps = long ? expected.steps.length : fewSteps;
    for (let step = 0; step < steps; step++) {
      const loss = await trainer.backward();
      trainer.update();
      if (step < fewSteps || step % 10 === 9) {
        yield within(`${name}: step ${step} loss`, [loss], [expected.losses[step]], most.loss);
      }
    }
  } finally {
    setFloat32MatmulPrecision("highest");
    peft.unload();
  }
}

/** The largest difference between logits under "high" and in f32, by root mean square. */
const logitTolerance = 1e-2;

/** Checks the logits at the end of each text under "high", by a model with frozen parameters. */
export async function* logitsUnderHigh(name: string, dir: string, model: CausalLM): AsyncGenerator<Check> {
  const golden = await GoldenFile.open(join(dir, "expected", "forward.safetensors"));
  setFloat32MatmulPrecision("high");
  try {
    for (const [i, { ids }] of readExpected<ExpectedForward>(dir, "forward").texts.entries()) {
      const [found, expected] = [await lastLogits(model, ids), await golden.array(`${i}.last`)];
      let squares = 0;
      for (const [at, value] of expected.entries()) squares += (found[at] - value) ** 2;
      const rms = Math.sqrt(squares / expected.length);
      yield within(`${name}, high precision: text ${i} logits, root mean square`, [rms], [0], logitTolerance);
    }
  } finally {
    setFloat32MatmulPrecision("highest");
  }
}

/** The largest lead of f32's token, in logits, that "high" may reverse: five times the logit tolerance. */
const lead = 5 * logitTolerance;

/** Checks greedy answers under "high", where only the prompts are long enough for codes. */
export async function* answersUnderHigh(
  name: string,
  dir: string,
  model: CausalLM,
  eosTokenIds: readonly number[],
): AsyncGenerator<Check> {
  const { cases } = readExpected<ExpectedGreedy>(dir, "greedy");
  setFloat32MatmulPrecision("high");
  try {
    yield await agreement(`${name}, high precision`, model, cases, { eosTokenIds, lead });
  } finally {
    setFloat32MatmulPrecision("highest");
  }
}

/** Checks each text's loss, and the perplexity of all, with an untrained adapter. */
async function* texts(name: string, dir: string, model: PeftModel<CausalLM>, most: Limits): AsyncGenerator<Check> {
  let [tokens, sum, expectedSum] = [0, 0, 0];
  for (const [i, { ids, loss }] of readExpected<ExpectedForward>(dir, "forward").texts.entries()) {
    const found = await lossOf(model, ids);
    yield within(`${name}: text ${i} loss`, [found], [loss], most.loss);
    tokens += ids.length - 1;
    sum += found * (ids.length - 1);
    expectedSum += loss * (ids.length - 1);
  }
  const ratio = Math.exp((sum - expectedSum) / tokens);
  yield within(`${name}: perplexity of the texts, over that of f32`, [ratio], [1], most.perplexity);
}

/** Checks the cosine of each tensor's gradient and its f32 gradient, at the first step. */
async function* directions(
  name: string,
  trainer: RecordedTraining,
  which: MatmulPrecision,
  least: number,
): AsyncGenerator<Check> {
  const under = async (precision: MatmulPrecision) => {
    setFloat32MatmulPrecision(precision);
    await trainer.backward();
    return trainer.gradients();
  };
  const [exact, rounded] = [await under("highest"), await under(which)];
  for (const [key, gradient] of rounded) {
    const found = cosine(gradient, exact.get(key)!);
    const check = { name: `${name}: gradient of ${key}` };
    // The gradient is 0 for factors whose partner is initialised to zeros.
    if (Number.isNaN(found) || found >= least) yield { ...check, off: 1 - (found || 1) };
    else yield { ...check, error: `its cosine to that of f32 is ${found}, below ${least}` };
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

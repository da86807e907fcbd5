import { join } from "node:path";
import { backward, noGrad, scope, type Tensor, tensor } from "@lowrank/core";
import { gradNorm } from "@lowrank/core/internal";
import type { CausalLM, LabelledInputs } from "@lowrank/models";
import { AdamW } from "@lowrank/nn";
import { PeftModel } from "@lowrank/peft";
import { GoldenFile } from "@lowrank/test-support/golden";
import { type Check, within, withinEach } from "../check/compare.ts";
import { type ExpectedForward, type ExpectedTraining, readExpected, type TrainingExample } from "./expected.ts";
import { lastLogits, logitTolerance, lossTolerance, textLoss } from "./forward.ts";
import { greedy } from "./greedy.ts";

/**
 * Relative tolerance of losses and gradient norms: different attention arithmetic alone changes them by 4.5e-6 within
 * 20 steps.
 */
const stepTolerance = 5e-5;
/** The tolerance after 20 steps: Adam turns a gradient near zero into a full step of uncertain sign. */
const trainedTolerance = 3e-4;

/** Options of `training`. `long` trains all of the recorded steps, which takes minutes, instead of 20. */
export interface TrainingOptions {
  long: boolean;
  eosTokenIds: readonly number[];
}

/**
 * Checks LoRA from lora-init/: losses, gradients, logits and answers. Also checks lora-20/, which PEFT trained, loaded
 * and merged.
 */
export async function* training(
  dir: string,
  model: CausalLM,
  { long, eosTokenIds }: TrainingOptions,
): AsyncGenerator<Check> {
  const expected = readExpected<ExpectedTraining>(dir, "train");
  const golden = await GoldenFile.open(join(dir, "expected", "train.safetensors"));
  const { logits_text: text, after } = expected;
  const text2 = readExpected<ExpectedForward>(dir, "forward").texts[2];
  const text2Loss = (name: string, of: Pick<CausalLM, "loss">, tolerance: number) =>
    textLoss(`${name} text 2 loss`, of, text2.ids, after[20].loss_text2, tolerance);

  yield* greedy("before training", model, expected.before, eosTokenIds);
  const peft = await PeftModel.fromPretrained(model, join(dir, "lora-init"), { isTrainable: true });
  const stops = long ? [20, expected.steps.length] : [20];
  using trainer = new RecordedTraining(peft, expected);
  for (const stop of stops) {
    yield* trainer.checkedSteps("LoRA", stop);
    if (stop === 20) {
      yield within(
        "LoRA after 20 steps",
        await lastLogits(peft, text.ids),
        await golden.array("lora20.last"),
        trainedTolerance,
      );
      yield await text2Loss("LoRA after 20 steps", peft, stepTolerance);
    }
    yield* greedy(`LoRA after ${stop} steps`, model, after[stop].outputs, eosTokenIds);
  }

  await peft.loadAdapter(join(dir, "lora-20"), "reference");
  peft.setAdapter("reference");
  yield within("lora-20 loaded", await lastLogits(peft, text.ids), await golden.array("lora20.last"), logitTolerance);
  yield await text2Loss("lora-20 loaded", peft, lossTolerance);
  yield* greedy("lora-20 loaded", model, after[20].outputs, eosTokenIds);
  const merged = await peft.mergeAndUnload({ adapterNames: ["reference"] });
  yield within("lora-20 merged", await lastLogits(merged, text.ids), await golden.array("lora20.last"), logitTolerance);
}

/** The part of expected/train.json that a run needs; the recording of a quantised model has the same part. */
type Recorded = Pick<
  ExpectedTraining,
  "config" | "examples" | "steps" | "losses" | "grad_norms" | "grad_norm_per_tensor"
>;

/** The recorded AdamW steps on recorded batches. */
export class RecordedTraining implements Disposable {
  readonly #peft: PeftModel<CausalLM>;
  readonly #expected: Recorded;
  readonly #parameters: ReadonlyMap<string, Tensor>;
  readonly #optimizer: AdamW;
  #step = 0;

  constructor(peft: PeftModel<CausalLM>, expected: Recorded) {
    this.#peft = peft;
    this.#expected = expected;
    const named = [...peft.namedParameters()].filter(([, parameter]) => parameter.requiresGrad);
    this.#parameters = new Map(named.map(([name, parameter]) => [name.replace(".default", ""), parameter]));
    const { lr, betas, eps, weight_decay: weightDecay } = expected.config;
    this.#optimizer = new AdamW([...this.#parameters.values()], { lr, betas, eps, weightDecay });
  }

  /**
   * Trains up to step `stop`; checks the losses and gradient norms of the first 20 steps, before Adam amplifies
   * rounding.
   */
  async *checkedSteps(name: string, stop: number): AsyncGenerator<Check> {
    const { losses, grad_norms, grad_norm_per_tensor } = this.#expected;
    while (this.#step < stop) {
      const step = this.#step;
      const loss = await this.backward();
      if (step < 20) {
        yield withinEach(`${name} step ${step} loss`, [loss], [losses[step]], stepTolerance);
        yield withinEach(`${name} step ${step} gradient norm`, [await this.#norm()], [grad_norms[step]], stepTolerance);
        yield* this.#tensorNorms(`${name} step ${step} gradient`, grad_norm_per_tensor[step] ?? {}, grad_norms[step]);
      }
      this.update();
    }
  }

  [Symbol.dispose](): void {
    this.#optimizer.dispose();
  }

  /** Returns the gradients of the trainable parameters, by name. */
  async gradients(): Promise<Map<string, Float32Array>> {
    const found = new Map<string, Float32Array>();
    for (const [name, { grad }] of this.#parameters) if (grad) found.set(name, (await grad.data()) as Float32Array);
    return found;
  }

  /** Takes the optimiser's step, and advances to the next batch. */
  update(): void {
    this.#optimizer.step();
    this.#optimizer.zeroGrad();
    this.#step++;
  }

  /** Computes the gradients of the next batch, after zeroing the old ones; returns its loss. */
  async backward(): Promise<number> {
    this.#optimizer.zeroGrad();
    const { examples, steps } = this.#expected;
    using batch = new Batch(steps[this.#step].map((i) => examples[i]));
    this.#peft.train();
    using loss = scope(() => {
      const value = this.#peft.loss(batch.inputs);
      backward(value);
      return value.detach();
    });
    this.#peft.eval();
    return loss.item();
  }

  async #norm(...of: Tensor[]): Promise<number> {
    const parameters = of.length > 0 ? of : [...this.#parameters.values()];
    using norm = noGrad(() => gradNorm(...parameters.map(({ grad }) => grad as Tensor)));
    return norm.item();
  }

  /** Checks the norm of each tensor's gradient, within the tolerance for the total norm. */
  async *#tensorNorms(name: string, expected: Record<string, number>, total: number): AsyncGenerator<Check> {
    for (const [key, norm] of Object.entries(expected)) {
      const parameter = this.#parameters.get(key);
      if (!parameter?.grad) yield { name: `${name} of ${key}`, error: "there is none" };
      else yield within(`${name} of ${key}`, [await this.#norm(parameter)], [norm], stepTolerance * total);
    }
  }
}

/** Examples as tensors, with a mask that is false at padding. */
class Batch implements Disposable {
  readonly inputs: LabelledInputs & { attentionMask: Tensor };

  constructor(examples: readonly TrainingExample[]) {
    const mask = examples.map(({ ids, length }) => ids.map((_, t) => (t < length ? 1 : 0)));
    this.inputs = {
      inputIds: tensor(
        examples.map(({ ids }) => ids),
        { dtype: "i32" },
      ),
      labels: tensor(
        examples.map(({ labels }) => labels),
        { dtype: "i32" },
      ),
      attentionMask: tensor(mask, { dtype: "u8" }),
    };
  }

  [Symbol.dispose](): void {
    for (const part of [this.inputs.inputIds, this.inputs.labels, this.inputs.attentionMask]) part.dispose();
  }
}

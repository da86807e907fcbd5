/** Sizes of a run, from which the default of --eval-every follows. */
interface RunSizes {
  readonly steps: number;
  /** Training examples in each step. */
  readonly examplesPerStep: number;
  readonly validationExamples: number;
}

/** Maximum number of validations during training by default, with the one after the last step. */
const mostValidations = 10;

/** Maximum share of a run's time that validations during training take by default. */
const mostTime = 0.05;

/**
 * Time of an example in a validation, as a share of its time in a training step. A validation lacks the backward pass.
 * Measured: 0.38 to 0.48 for LoRA of ranks 8 and 16 on the embedded model, with batches of 8 and 16.
 */
const costOfExample = 0.45;

/**
 * Returns the default of --eval-every: every tenth of the run, or less often, such that the validations during training
 * take about 5 % of the time. Undefined if there is no validation data, or if one validation already takes more. The
 * validations before the first and after the last step do not count, since every run has them.
 */
export function defaultEvalEvery({ steps, examplesPerStep, validationExamples }: RunSizes): number | undefined {
  if (validationExamples === 0) return undefined;
  const affordable = Math.floor((mostTime * steps * examplesPerStep) / (costOfExample * validationExamples));
  const count = Math.min(mostValidations - 1, affordable, steps - 1);
  return count > 0 ? Math.ceil(steps / (count + 1)) : undefined;
}

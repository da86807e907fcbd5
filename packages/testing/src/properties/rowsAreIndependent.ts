import { abs, max, noGrad, scope, type Tensor } from "@lowrank/core";
import type { PeftModel } from "@lowrank/peft";
import { callsOfRow, inputsOfRow, partOf, rowsOf } from "../comparing/batchRows.ts";
import { firstMismatch } from "../comparing/compareLayers.ts";
import { largestDifference, positionOf, short } from "../comparing/differences.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import { PropertyError } from "../errors/propertyError.ts";
import { UnfitError } from "../errors/unfitError.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type Adapted, type ConfigSubject, withAdapter } from "./shared/withAdapter.ts";

const property = "rowsAreIndependent";

/** Allowed difference of a whole model's outputs, as a share of the largest output. */
const wholeModelShare = 1e-3;

/**
 * The rows of a batch do not change each other. Records every layer on a batch with one adapter, and calls it again on
 * each row alone. Differences up to `roundingBound` are allowed. The inputs need at least two rows.
 *
 * Adapters outside of layers (virtual tokens, attention modules) are tested by the outputs of the whole model, which
 * may differ by 0.001 of the largest output. This limit is not computed from the model: the difference is usually zero,
 * and rounding has no useful bound over several layers.
 *
 * Throws `PropertyError` with code "rows_depend" and the first differing layer.
 *
 * @example
 * ```ts
 * await rowsAreIndependent(smallestModel, new LoraConfig({ r: 2 }), { inputs: { batch: 4, length: 3, seed: 0 } });
 * ```
 */
export async function rowsAreIndependent(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async (adapted) => {
    const { peft, paths, inputs, run, seed } = adapted;
    const rows = rowsOf(inputs);
    if (rows < 2) throw new UnfitError(`the inputs have ${rows} row; a batch needs at least 2`);
    const calls = recordCalls(peft.baseModel, paths, () => run(peft), { atRandom: false });
    try {
      for (let row = 0; row < rows; row++) {
        const parts = callsOfRow(calls, rows, row);
        try {
          const found = await firstMismatch(peft.baseModel, parts);
          const when = `for row ${row} of a batch of ${rows}`;
          failOnLayer({ code: "rows_depend", property, seed }, found, when, ["in the batch", "alone"]);
        } finally {
          freeCalls(parts);
        }
      }
    } finally {
      freeCalls(calls);
    }
    if (actsOutsideOfLayers(peft, paths)) await checkWholeModel(adapted, rows);
  });
}

/** True for virtual tokens, and for wrapped modules that contain layers, such as attention. */
function actsOutsideOfLayers({ base_model }: PeftModel, paths: readonly string[]): boolean {
  if (base_model.adapter("default").prompt) return true;
  return [...base_model.wrappers.keys()].some((path) => !paths.includes(path));
}

async function checkWholeModel({ peft, inputs, runOn, seed }: Adapted, rows: number): Promise<void> {
  const outputOf = (given: readonly unknown[]) => noGrad(() => scope(() => runOn(peft, given)));
  using batch = outputOf(inputs);
  if (batch.shape[0] !== rows) return;
  using largest = noGrad(() => scope(() => max(abs(batch))));
  const bound = wholeModelShare * (await largest.item());
  for (let row = 0; row < rows; row++) {
    const made: Tensor[] = [];
    try {
      using alone = outputOf(inputsOfRow(inputs, rows, row, made));
      using part = partOf(batch, rows, row);
      await compare(part, alone, { row, rows, bound, seed });
    } finally {
      for (const tensor of made) tensor.dispose();
    }
  }
}

async function compare(
  part: Tensor,
  alone: Tensor,
  { row, rows, bound, seed }: { row: number; rows: number; bound: number; seed: number },
): Promise<void> {
  const [a, b] = (await Promise.all([part.data(), alone.data()])) as Float32Array[];
  const { difference, index, a: inBatch, b: byItself } = largestDifference(a, b);
  if (difference <= bound) return;
  const position = positionOf(index, alone.shape);
  const detail =
    `for row ${row} of a batch of ${rows}, the model's outputs differ by ${short(difference)} at ` +
    `[${position.join(", ")}] (${short(inBatch)} in the batch, ${short(byItself)} alone), and ${short(bound)} is allowed`;
  throw new PropertyError({ code: "rows_depend", property, difference, bound, position, seed, detail });
}

import { Generator } from "@lowrank/core";
import { callsOfRow, rowsOf } from "../comparing/batchRows.ts";
import { firstMismatch } from "../comparing/compareLayers.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import { UnfitError } from "../errors/unfitError.ts";
import { setAdapterValues } from "../subjects/adapterValues.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, fitting, withAdapter } from "./shared/withAdapter.ts";

const property = "mixedBatchEqualsSingleRows";
const cycle = ["default", "second", "__base__"] as const;

/**
 * In a batch whose rows use different adapters (`withAdapterNames`), each row has the outputs of its adapter. The rows
 * use two adapters and the base model in turn, so the inputs need at least two rows. Records every layer on the mixed
 * batch, and calls it again on each row alone, with that row's adapter. Differences up to `roundingBound` are allowed.
 *
 * Throws `PropertyError` with code "mixed_batch_differs" and the first differing layer.
 *
 * @example
 * ```ts
 * await mixedBatchEqualsSingleRows(smallestModel, new LoraConfig({ r: 2 }));
 * ```
 */
export async function mixedBatchEqualsSingleRows(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async (adapted) => {
    const { peft, config: own, paths, inputs, run, seed } = adapted;
    const rows = rowsOf(inputs);
    if (rows < 2) throw new UnfitError(`the inputs have ${rows} row; a mixed batch needs at least 2`);
    await fitting(() => peft.addAdapter("second", own, { generator: new Generator(seed + 1) }));
    setAdapterValues(peft, { kind: "normal", seed: seed + 1 }, "second");
    const names = Array.from({ length: rows }, (_, row) => cycle[row % cycle.length]);
    const record = () => recordCalls(peft.baseModel, paths, () => run(peft), { atRandom: false });
    const calls = peft.withAdapterNames(names, record);
    try {
      for (const [row, name] of names.entries()) {
        const parts = callsOfRow(calls, rows, row);
        const check = async () => {
          const found = await firstMismatch(peft.baseModel, parts);
          const used = name === "__base__" ? "the base model" : `adapter "${name}"`;
          const when = `row ${row} of a mixed batch uses ${used}`;
          failOnLayer({ code: "mixed_batch_differs", property, seed }, found, when, ["in the batch", "alone"]);
        };
        try {
          if (name === "__base__") await peft.disableAdapter(check);
          else {
            peft.setAdapter(name);
            await check();
          }
        } finally {
          freeCalls(parts);
        }
      }
    } finally {
      freeCalls(calls);
    }
  });
}

import { clone, Generator, indexSelect, noGrad, scope, Tensor, tensor } from "@lowrank/core";
import { firstMismatch } from "../comparing/compareLayers.ts";
import { freeCalls, type LayerCall, recordCalls } from "../comparing/layerCalls.ts";
import { setAdapterValues } from "../subjects/adapterValues.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnLayer } from "./failures.ts";
import type { PropertyOptions } from "./propertyOptions.ts";
import { type ConfigSubject, fitting, UnfitError, withAdapter } from "./withAdapter.ts";

const property = "mixedBatchEqualsSingleRows";
const cycle = ["default", "second", "__base__"] as const;

/**
 * In a batch whose rows use different adapters (`withAdapterNames`), each row has the outputs of its adapter. The rows
 * use two adapters and the base model in turn, so the inputs need at least two rows. Records every layer on the mixed
 * batch, and calls it again with one adapter on that adapter's rows. Differences up to `roundingBound` are allowed.
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
      for (const name of cycle.slice(0, rows)) {
        const chosen = [...names.keys()].filter((row) => names[row] === name);
        const parts = calls.flatMap((call) => partOf(call, rows, chosen));
        const check = async () => {
          const found = await firstMismatch(peft.baseModel, parts);
          const when = `rows ${chosen.join(", ")} of a mixed batch use ${name === "__base__" ? "the base model" : `adapter "${name}"`}`;
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

/** Returns the number of rows of a model's inputs: the first dimension of the first tensor. */
function rowsOf(inputs: readonly unknown[]): number {
  for (const input of inputs) {
    if (input instanceof Tensor) return input.shape[0] ?? 1;
    for (const value of Object.values((input ?? {}) as object)) if (value instanceof Tensor) return value.shape[0] ?? 1;
  }
  return 1;
}

/** Returns the chosen rows of a call. Empty if the layer's tensors do not have one entry for each row of the batch. */
function partOf({ path, inputs, output }: LayerCall, rows: number, chosen: readonly number[]): LayerCall[] {
  if (output.shape[0] !== rows) return [];
  const select = (t: Tensor) =>
    noGrad(() =>
      scope(() => indexSelect(t, tensor(Int32Array.from(chosen), { backend: t.storage.backend }), { dim: 0 })),
    );
  const parts = inputs.map((value) => {
    if (!(value instanceof Tensor)) return value;
    return value.shape[0] === rows ? select(value) : noGrad(() => clone(value));
  });
  return [{ path, inputs: parts, output: select(output) }];
}

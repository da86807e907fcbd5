import { PeftModel } from "@lowrank/peft";
import { firstMismatch } from "../comparing/compareLayers.ts";
import { firstBitMismatch, snapshot } from "../comparing/exactBits.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnBits, failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, quiet, withAdapter } from "./shared/withAdapter.ts";

const property = "savesAndLoads";

/**
 * An adapter that is saved and loaded again has the same tensors and outputs, to the last bit. The files stay in
 * memory. The loaded adapter replaces the saved one on the same base model. If the initialisation overwrote base
 * weights (PiSSA, OLoRA, LoftQ), the base model first gets its old weights, since loading repeats the initialisation.
 *
 * Throws `PropertyError` with code "saved_differs" and the first tensor or layer that differs, and the errors of
 * loading.
 *
 * @example
 * ```ts
 * await savesAndLoads(smallestModel, new LoraConfig({ r: 2, useDora: true }));
 * ```
 */
export async function savesAndLoads(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async ({ peft, paths, run, seed, restoreBase }) => {
    const failing = { code: "saved_differs", property, seed } as const;
    const before = await snapshot(peft.adapterTensors());
    const calls = recordCalls(peft.baseModel, paths, () => run(peft));
    try {
      const files = await peft.adapterFiles();
      const base = peft.unload();
      restoreBase();
      const loaded = await PeftModel.fromPretrained(base, files, quiet);
      try {
        failOnBits(failing, firstBitMismatch(before, await snapshot(loaded.adapterTensors())), "after loading");
        const found = await firstMismatch(loaded.baseModel, calls, "nothing");
        failOnLayer(failing, found, "after loading", ["saved", "loaded"]);
      } finally {
        loaded.unload();
      }
    } finally {
      freeCalls(calls);
    }
  });
}

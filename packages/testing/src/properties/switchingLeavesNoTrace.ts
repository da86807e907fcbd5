import { Generator } from "@lowrank/core";
import { firstMismatch } from "../comparing/compareLayers.ts";
import { firstBitMismatch, snapshot } from "../comparing/exactBits.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import { setAdapterValues } from "../subjects/adapterValues.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnBits, failOnLayer } from "./failures.ts";
import type { PropertyOptions } from "./propertyOptions.ts";
import { type ConfigSubject, fitting, withAdapter } from "./withAdapter.ts";

const property = "switchingLeavesNoTrace";

/**
 * A second adapter does not change the first one. Adds a second adapter, makes it active, gives it other values and
 * runs it, makes the first one active again, and deletes the second. The first adapter's tensors and the outputs of all
 * layers stay the same to the last bit.
 *
 * Throws `PropertyError` with code "switch_differs" and the first tensor or layer that differs.
 *
 * @example
 * ```ts
 * await switchingLeavesNoTrace(smallestModel, new LoraConfig({ r: 2 }));
 * ```
 */
export async function switchingLeavesNoTrace(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async ({ peft, config: own, paths, run, seed }) => {
    const failing = { code: "switch_differs", property, seed } as const;
    const before = await snapshot(peft.adapterTensors("default"));
    const calls = recordCalls(peft.baseModel, paths, () => run(peft));
    const check = async (when: string) => {
      failOnBits(failing, firstBitMismatch(before, await snapshot(peft.adapterTensors("default"))), when);
      const found = await firstMismatch(peft.baseModel, calls, "nothing");
      failOnLayer(failing, found, when, ["before", "after"]);
    };
    try {
      await fitting(() => peft.addAdapter("second", own, { generator: new Generator(seed + 1) }));
      await check("after addAdapter");
      peft.setAdapter("second");
      setAdapterValues(peft, { kind: "normal", seed: seed + 1 });
      freeCalls(recordCalls(peft.baseModel, paths, () => run(peft)));
      peft.setAdapter("default");
      await check("after setAdapter to a second adapter and back");
      peft.deleteAdapter("second");
      await check("after deleteAdapter of a second adapter");
    } finally {
      freeCalls(calls);
    }
  });
}

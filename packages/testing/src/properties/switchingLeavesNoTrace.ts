import { Generator, noGrad, scope, type Tensor } from "@lowrank/core";
import type { PeftModel } from "@lowrank/peft";
import { firstMismatch } from "../comparing/compareLayers.ts";
import { largestDifference } from "../comparing/differences.ts";
import { firstBitMismatch, snapshot } from "../comparing/exactBits.ts";
import { callLayer, freeCalls, type LayerCall, layerAt, recordCalls } from "../comparing/layerCalls.ts";
import { PropertyError } from "../errors/propertyError.ts";
import { setAdapterValues } from "../subjects/adapterValues.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnBits, failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, fitting, withAdapter } from "./shared/withAdapter.ts";

const property = "switchingLeavesNoTrace";

/**
 * A second adapter does not change the first one, and has its own values. Adds a second adapter, makes it active, gives
 * it other values and runs it, makes the first one active again, and deletes the second. The first adapter's tensors
 * and the outputs of all layers stay the same to the last bit. If the first adapter changes a layer's outputs, the
 * second one gives this layer other outputs, since its values are random too.
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
    const output = () => noGrad(() => scope(() => run(peft)));
    using first = output();
    const fail = (layer: string | null, subject: string) => {
      const detail =
        `with a second adapter, ${subject} the first adapter's outputs to the last bit, although the adapters have ` +
        "different values";
      throw new PropertyError({ ...failing, layer, detail });
    };
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
      const copying = await copyingLayer(peft, calls);
      if (copying !== null) fail(copying, `${copying} has`);
      using second = output();
      if (!(await differ(first, second))) {
        using bare = peft.disableAdapter(output);
        if (await differ(first, bare)) fail(null, "the model has");
      }
      peft.setAdapter("default");
      await check("after setAdapter to a second adapter and back");
      peft.deleteAdapter("second");
      await check("after deleteAdapter of a second adapter");
    } finally {
      freeCalls(calls);
    }
  });
}

/**
 * Returns the path of the first layer to which the second adapter gives the recorded outputs of the first one, although
 * these differ from the base model's. Null if there is none.
 */
async function copyingLayer(peft: PeftModel, calls: readonly LayerCall[]): Promise<string | null> {
  for (const { path, inputs, output } of calls) {
    if (!peft.base_model.wrappers.get(path)?.has("second")) continue;
    const call = () => callLayer(layerAt(peft.baseModel, path), inputs);
    using other = call();
    if (await differ(output, other)) continue;
    using bare = peft.disableAdapter(call);
    if (await differ(output, bare)) return path;
  }
  return null;
}

async function differ(a: Tensor, b: Tensor): Promise<boolean> {
  if (a.size !== b.size) return true;
  const [one, other] = (await Promise.all([a.data(), b.data()])) as Float32Array[];
  return largestDifference(one, other).difference !== 0;
}

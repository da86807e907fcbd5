import { Generator } from "@lowrank/core";
import { largestDifference } from "../../comparing/differences.ts";
import { callLayer, freeCalls, type LayerCall, layerAt, recordCalls, unwrapped } from "../../comparing/layerCalls.ts";
import { PropertyError } from "../../errors/propertyError.ts";
import { setAdapterValues } from "../../subjects/adapterValues.ts";
import { dropoutField } from "../shared/declaredFields.ts";
import { type Adapted, fitting } from "../shared/withAdapter.ts";

/** Calls of a layer that must not all give the same output. Two masks of one element agree with a chance of 1/2. */
const tries = 64;

/**
 * Checks that dropout changes the outputs of adapted linear layers in training mode. Returns false for methods without
 * dropout, and for those whose update is no product B A.
 */
export async function checkDropout({ peft, config, paths, run, seed }: Adapted): Promise<boolean> {
  const { method } = peft.base_model.adapter("default");
  const field = dropoutField(method);
  if (field === null) return false;
  const dropped = config.with({ [field]: 0.5 });
  await fitting(() => peft.addAdapter("dropped", dropped, { generator: new Generator(seed) }));
  setAdapterValues(peft, { kind: "normal", seed: seed + 1 }, "dropped");
  peft.setAdapter("dropped");
  const adapted = paths.filter((path) => {
    const isLinear = ["linear", "conv1d"].includes(unwrapped(layerAt(peft.baseModel, path)).layerKind ?? "");
    return isLinear && peft.targetReport?.matched.includes(path);
  });
  const calls = recordCalls(peft.baseModel, adapted, () => run(peft));
  const modes = [...peft.namedModules()].map(([, module]) => [module, module.training] as const);
  try {
    peft.train();
    for (const call of calls) {
      if (await changes(call, () => callLayer(layerAt(peft.baseModel, call.path), call.inputs))) continue;
      const detail = `with ${field} 0.5, ${call.path} has the same outputs in training mode as in evaluation`;
      throw new PropertyError({ code: "config_ignored", property: "configIsApplied", layer: call.path, seed, detail });
    }
  } finally {
    for (const [module, training] of modes) module.training = training;
    freeCalls(calls);
  }
  return calls.length > 0;
}

/** True if one of several calls gives another output than the recorded one, or if the layer's input is zero. */
async function changes({ inputs, output }: LayerCall, call: () => ReturnType<typeof callLayer>): Promise<boolean> {
  const [x] = inputs as [typeof output];
  const values = (await x.data()) as Float32Array;
  if (values.every((value) => value === 0)) return true;
  const expected = (await output.data()) as Float32Array;
  for (let i = 0; i < tries; i++) {
    using found = call();
    if (largestDifference(expected, (await found.data()) as Float32Array).difference > 0) return true;
  }
  return false;
}

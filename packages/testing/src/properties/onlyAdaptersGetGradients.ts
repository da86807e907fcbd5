import { scope, square, sum } from "@lowrank/core";
import type { Parameter } from "@lowrank/nn";
import { isPromptMethod } from "@lowrank/peft/internal";
import { largestDifference } from "../comparing/differences.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import { PropertyError } from "../errors/propertyError.ts";
import { UnfitError } from "../errors/unfitError.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, withAdapter } from "./shared/withAdapter.ts";

const property = "onlyAdaptersGetGradients";

/**
 * A backward pass gives gradients to the adapter's parameters and to no parameter of the base model. All parameters of
 * the adapter require gradients, all gradients are finite, and at least one is not zero. The loss is the sum of the
 * squared outputs. Parameters of layers that the forward pass does not call need no gradient.
 *
 * Throws `PropertyError` with code "wrong_gradients" and the parameter's path.
 *
 * @example
 * ```ts
 * await onlyAdaptersGetGradients(smallestModel, new LoraConfig({ r: 2 }));
 * ```
 */
export async function onlyAdaptersGetGradients(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async ({ peft, paths, run, seed }) => {
    const active = peft.activeAdapter as string;
    const trained = peft.base_model.trained(active);
    const frozen = new Set(peft.base_model.frozen(active));
    const { method } = peft.base_model.adapter(active);
    const adaptsRows = !isPromptMethod(method) && method.adaptsRows;
    const trains = [...trained.values()].some((parameter) => parameter.size > 0 && !frozen.has(parameter));
    if (!trains) throw new UnfitError("the adapter trains no parameters in this configuration");
    const own = new Set<Parameter>(trained.values());
    const calls = recordCalls(peft.baseModel, paths, () => run(peft), { atRandom: false });
    const called = new Set(calls.map(({ path }) => path));
    freeCalls(calls);
    const fail = (layer: string, problem: string) => {
      throw new PropertyError({ code: "wrong_gradients", property, layer, seed, detail: `${layer} ${problem}` });
    };
    try {
      scope(() => void sum(square(run(peft))).backward());
      for (const [name, parameter] of peft.namedParameters()) {
        if (own.has(parameter)) continue;
        if (parameter.grad) fail(name, "is no parameter of the adapter and got a gradient");
        if (parameter.requiresGrad) fail(name, "is no parameter of the adapter and requires a gradient");
      }
      let isZero = true;
      for (const [name, parameter] of trained) {
        if (parameter.size === 0) continue;
        if (frozen.has(parameter)) {
          if (parameter.requiresGrad) fail(name, "is frozen by the method and requires a gradient");
          continue;
        }
        if (!parameter.requiresGrad) fail(name, "belongs to the active adapter and requires no gradient");
        if (!parameter.grad) {
          const path = paths.find((one) => name.includes(`.${one}.`));
          if (path === undefined || called.has(path)) fail(name, "belongs to the active adapter and got no gradient");
          continue;
        }
        const values = (await parameter.grad.data()) as Float32Array;
        if (!values.every(Number.isFinite)) fail(name, "got a gradient that is not finite");
        isZero &&= largestDifference(values, new Float32Array(values.length)).difference === 0;
      }
      // The embedding of a token that no input contains has a gradient of zero.
      if (isZero && adaptsRows) throw new UnfitError("the inputs contain none of the trained tokens");
      if (isZero) fail([...trained.keys()][0] ?? "the adapter", "and all other parameters got gradients of zero");
    } finally {
      for (const parameter of peft.parameters()) {
        parameter.grad?.dispose();
        parameter.grad = null;
      }
    }
  });
}

import { add, affine, Generator, noGrad, scope } from "@lowrank/core";
import { boundOf } from "../comparing/compareLayers.ts";
import { largestDifference, positionOf } from "../comparing/differences.ts";
import { callLayer, freeCalls, layerAt, recordCalls } from "../comparing/layerCalls.ts";
import { setAdapterValues } from "../subjects/adapterValues.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, fitting, withAdapter } from "./shared/withAdapter.ts";

const property = "weightedSumIsLinear";

/** They add up to 1, so that the base model's output is counted once. One is negative, and one is above 1. */
const weights = [1.5, -0.5] as const;

/**
 * An adapter made by `addWeightedAdapter` has the weighted sum of the outputs of its sources, on every layer. The
 * weights are 1.5 and -0.5. Products are combined by "cat", which is exact. The allowed difference is the weighted sum
 * of `roundingBound` of both sources, plus the bound of the result.
 *
 * Throws `PropertyError` with code "weighted_sum_differs" and the first differing layer.
 *
 * @example
 * ```ts
 * await weightedSumIsLinear(smallestModel, new LoraConfig({ r: 2 }));
 * ```
 */
export async function weightedSumIsLinear(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  await withAdapter(property, model, config, options, async ({ peft, config: own, paths, run, seed }) => {
    const names = ["default", "second"];
    await fitting(async () => {
      await peft.addAdapter("second", own, { generator: new Generator(seed + 1) });
      setAdapterValues(peft, { kind: "normal", seed: seed + 1 }, "second");
      const isProduct = peft.base_model.adapter("default").method.combines?.kind === "products";
      await peft.addWeightedAdapter(names, weights, "sum", isProduct ? { combinationType: "cat" } : {});
    });
    peft.setAdapter("sum");
    const calls = recordCalls(peft.baseModel, paths, () => run(peft));
    try {
      for (const { path, inputs, output } of calls) {
        const module = layerAt(peft.baseModel, path);
        const [first, second] = names.map((name) => {
          peft.setAdapter(name);
          return callLayer(module, inputs);
        });
        using one = first;
        using other = second;
        using expected = noGrad(() =>
          scope(() => add(affine(one, { scale: weights[0] }), affine(other, { scale: weights[1] }))),
        );
        const [found, wanted] = (await Promise.all([output.data(), expected.data()])) as Float32Array[];
        const { difference, index, a, b } = largestDifference(found, wanted);
        if (difference === 0) continue;
        const bounds = await Promise.all([one, other, output].map((y) => boundOf(module, inputs, [y])));
        const bound = weights[0] * bounds[0] - weights[1] * bounds[1] + bounds[2];
        if (difference <= bound) continue;
        const mismatch = {
          path,
          difference,
          bound,
          position: positionOf(index, output.shape),
          values: [a, b] as const,
        };
        const labels = ["of the sum", "expected"] as const;
        failOnLayer({ code: "weighted_sum_differs", property, seed }, mismatch, "with weights 1.5 and -0.5", labels);
      }
    } finally {
      freeCalls(calls);
    }
  });
}

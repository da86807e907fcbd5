import { firstMismatch } from "../comparing/compareLayers.ts";
import { freeCalls, recordCalls } from "../comparing/layerCalls.ts";
import type { ModelSubject } from "../subjects/subject.ts";
import { failOnLayer } from "./shared/failures.ts";
import type { PropertyOptions } from "./shared/propertyOptions.ts";
import { type ConfigSubject, withAdapter } from "./shared/withAdapter.ts";

const property = "startsAsIdentity";

/**
 * A new adapter does not change outputs. Records the layers of the base model, and calls each layer with the new
 * adapter on the same input. Differences up to `roundingBound` are allowed, since some methods start as a product of
 * matrices that is the identity up to rounding. `values` are not used.
 *
 * Throws `PropertyError` with code "start_differs" and the first differing layer.
 *
 * @example
 * ```ts
 * await startsAsIdentity(smallestModel, new LoraConfig({ r: 2 }));
 * ```
 */
export async function startsAsIdentity(
  model: ModelSubject,
  config: ConfigSubject,
  options: PropertyOptions = {},
): Promise<void> {
  const check = { fresh: true };
  await withAdapter(
    property,
    model,
    config,
    options,
    async ({ peft, paths, run, seed }) => {
      const calls = peft.disableAdapter(() => recordCalls(peft.baseModel, paths, () => run(peft.baseModel)));
      try {
        const found = await firstMismatch(peft.baseModel, calls);
        const names = ["without the adapter", "with it"] as const;
        failOnLayer({ code: "start_differs", property, seed }, found, "with a new adapter", names);
      } finally {
        freeCalls(calls);
      }
    },
    check,
  );
}

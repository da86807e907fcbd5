import { init, reference, scope, type Tensor } from "@lowrank/core";
import { deferred } from "@lowrank/core/testing";
import { expect, test } from "vitest";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { methodCases } from "../testing/methodCases.ts";
import { logitBits, TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";

const quiet = { onWarning: () => {} };

const bits = (tensors: ReadonlyMap<string, Tensor>) =>
  Promise.all([...tensors].map(async ([name, t]) => [name, await t.bytes()] as const));

for (const [method, list] of Object.entries(methodCases)) {
  for (const { name, config, model: options, unmergeable } of list) {
    if (unmergeable) continue;
    const merging = options?.quantize ? ({ dtype: "f32" } as const) : {};

    test(`${method}: ${name}: merges on a backend that only records as on the reference`, async () => {
      await init(reference());
      const trained = await getPeftModel(new TinyModel(options).eval(), config, quiet);
      train(trained, 2);
      const files = await trained.adapterFiles();
      /** Merges in place, unmerges, and merges permanently with all checks. */
      const outcomes = async () => {
        const peft = await PeftModel.fromPretrained(new TinyModel(options).eval(), files, quiet);
        const live = await logitBits(peft);
        await peft.mergeAdapter(merging);
        const merged = await logitBits(peft);
        peft.unmergeAdapter();
        const unmerged = await logitBits(peft);
        const model = await peft.mergeAndUnload({ verify: { inputs: scope(tinyBatch) }, ...merging });
        return { live, merged, unmerged, weights: await bits(model.stateDict()), report: peft.mergeReport };
      };
      const expected = await outcomes();
      await init(deferred());
      const found = await outcomes();
      expect(found).toEqual(expected);
      expect(found.unmerged).toEqual(found.live);
      expect(found.weights).not.toEqual(await bits(new TinyModel(options).stateDict()));
    });
  }
}

import { init, reference, scope } from "@lowrank/core";
import { deferred, primitives } from "@lowrank/core/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { methodCases } from "../testing/methodCases.ts";
import { TinyModel, tinyBatch, train } from "../testing/tinyModel.ts";

const quiet = { onWarning: () => {} };

beforeEach(() => init(reference()));

/** Backends to which adapters are moved. The cases take turns. */
const backends = [
  ["a backend of few ops", primitives()],
  ["one that only records", deferred()],
] as const;
let turn = 0;

for (const [method, list] of Object.entries(methodCases)) {
  describe.each(list)(`${method}: $name`, ({ config, model: options, unmergeable }) => {
    const [name, backend] = backends[turn++ % 2];
    test(`moves to ${name}, with all that it keeps, merged weights too`, async () => {
      const peft = await getPeftModel(new TinyModel(options).eval(), config, quiet);
      await peft.addAdapter("second", config);
      train(peft, 2);
      const answer = async () => Array.from(await scope(() => peft.forward(tinyBatch())).logits.data(), Number);
      const live = await answer();
      if (!unmergeable) await peft.mergeAdapter(options?.quantize ? { dtype: "f32" } : {});
      const merged = await answer();
      await init(backend);
      await peft.to(backend);
      for (const [i, value] of (await answer()).entries()) expect(value).toBeCloseTo(merged[i], 4);
      peft.unmergeAdapter();
      for (const [i, value] of (await answer()).entries()) expect(value).toBeCloseTo(live[i], 4);
      peft.setAdapter("second");
      await answer();
      peft.deleteAdapter("second");
      peft.setAdapter("default");
      scope(() => peft.loss(tinyBatch()).backward());
      for (const parameter of peft.trainableParameters()) expect(parameter.storage.backend).toBe(backend);
      await answer();
    });
  });
}

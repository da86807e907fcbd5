import { copyInto, init, noGrad, reference, scope, tensor } from "@lowrank/core";
import { AdamW, type Parameter } from "@lowrank/nn";
import { beforeAll, describe, expect, test } from "vitest";
import { getPeftModel } from "../../peftModel/getPeftModel.ts";
import type { PeftModel } from "../../peftModel/peftModel.ts";
import { floats, TwoLayers } from "../../testing/twoLayers.ts";
// Recorded by conformance/python/adamss_allocation.py with PEFT's callback.
import golden from "./adamssAllocation.gen.json" with { type: "json" };
import { AdamssConfig, type AdamssOptions } from "./adamssConfig.ts";

beforeAll(() => init(reference()));

type Case = (typeof golden.cases)[number];

async function start(one: Case, more: AdamssOptions = {}) {
  const camel = (key: string) => key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const options = Object.fromEntries(Object.entries(one.options).map(([key, value]) => [camel(key), value]));
  const config = new AdamssConfig({ ...options, useAsa: true, targetModules: ["first", "second"], ...more });
  const peft = await getPeftModel(new TwoLayers(one.weights), config);
  // Signs of singular vectors differ between programs.
  const tensors = new Map([...peft.adapterTensors(), ...peft.base_model.buffers("default")]);
  for (const [key, values] of valuesOf(one.start)) {
    const own = tensors.get(key)!;
    noGrad(() => copyInto(own, tensor(values, { shape: own.shape })));
  }
  const inputs = { x: tensor(floats(one.x), { shape: [7, 6] }), target: tensor(floats(one.target), { shape: [7, 4] }) };
  const optimizer = new AdamW(peft.trainableParameters(), { lr: 0.1, weightDecay: 0.1 });
  const step = async (number: number) => {
    const loss = scope(() => {
      const value = peft.loss(inputs);
      value.backward();
      return value.itemSync();
    });
    optimizer.step();
    await peft.updateAndAllocate(number);
    optimizer.zeroGrad();
    return loss;
  };
  return { peft, step };
}

const valuesOf = (tensors: object) =>
  Object.entries(tensors).map(([name, text]) => [`base_model.model.${name}`, floats(text as string)] as const);

/** Returns for each layer which of its clusters train. Both parameters of a cluster must agree. */
function trainsOf(peft: PeftModel<TwoLayers>, { steps }: Case): boolean[][] {
  const of = (path: string, which: string, k: number) =>
    (peft.adapterTensors().get(`base_model.model.${path}.adamss_${which}.${k}`) as Parameter).requiresGrad;
  return ["first", "second"].map((path, i) =>
    steps[0].trains[i].map((_, k) => {
      expect(of(path, "A", k)).toBe(of(path, "B", k));
      return of(path, "A", k);
    }),
  );
}

describe.each(golden.cases)("$options", (one) => {
  test("losses, clusters that train after each step, and values are those of PEFT", async () => {
    const { peft, step } = await start(one);
    for (const [i, { loss, trains }] of one.steps.entries()) {
      expect(Math.abs((await step(i)) / loss - 1)).toBeLessThan(1e-5);
      expect(trainsOf(peft, one), `step ${i}`).toEqual(trains);
    }
    for (const [key, expected] of valuesOf(one.end)) {
      const found = peft.adapterTensors().get(key)!.dataSync() as Float32Array;
      const largest = Math.max(...expected.map(Math.abs));
      for (const [i, x] of found.entries()) {
        expect(Math.abs(x - expected[i]), key).toBeLessThanOrEqual(2e-5 * largest);
      }
    }
  });
});

test("frozen clusters stay frozen when the adapter is set again, and train in a loaded one", async () => {
  const [one] = golden.cases;
  const { peft, step } = await start(one);
  for (let i = 0; i < 7; i++) await step(i);
  const trains = trainsOf(peft, one);
  expect(trains).toEqual(one.steps[6].trains);
  await peft.addAdapter("other", new AdamssConfig({ r: 3, targetModules: ["first"] }));
  peft.setAdapter("other");
  peft.setAdapter("default");
  expect(trainsOf(peft, one)).toEqual(trains);
  expect(peft.trainsAlone("default")).toBe(true);
  expect(peft.trainsAlone("other")).toBe(false);
});

test("the state of the allocation continues in another model", async () => {
  const [one] = golden.cases;
  const whole = await start(one);
  for (let i = 0; i < 5; i++) await whole.step(i);
  const state = whole.peft.allocationState();
  const other = await start(one);
  await other.peft.setAllocationState(state);
  expect(trainsOf(other.peft, one)).toEqual(one.steps[4].trains);
  const again = other.peft.allocationState();
  expect([...again.keys()]).toEqual([...state.keys()]);
  for (const [key, t] of state) expect(again.get(key)!.dataSync()).toEqual(t.dataSync());
});

test("without useAsa all clusters train, and options of useAsa are checked only with it", async () => {
  const [one] = golden.cases;
  const { peft, step } = await start(one, { useAsa: false });
  for (let i = 0; i < 7; i++) await step(i);
  expect(trainsOf(peft, one).flat()).not.toContain(false);
  const config = (options: AdamssOptions) => () => new AdamssConfig(options);
  expect(config({ initWarmup: 9, finalWarmup: 9 })).not.toThrow();
  expect(config({ useAsa: true, initWarmup: 9, finalWarmup: 9 })).toThrow("initWarmup is 9; it must be below");
  expect(config({ useAsa: true, maskInterval: 0 })).toThrow("maskInterval is 0");
  expect(config({ useAsa: true, asaTargetSubspaces: 0 })).toThrow("asaTargetSubspaces is 0");
  expect(config({ useAsa: true, asaScheduleExponent: 0 })).toThrow("asaScheduleExponent is 0; it must be above 0");
});

test("a step without gradients is an error with the fix", async () => {
  const { peft } = await start(golden.cases[1]);
  await expect(peft.updateAndAllocate(0)).rejects.toThrow(
    "first.adamss_A.0 has no gradient; call it after the optimiser's step and before zeroGrad",
  );
});

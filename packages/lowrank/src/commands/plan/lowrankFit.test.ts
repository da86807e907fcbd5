import { expect, test } from "vitest";
import { fitLowrank } from "./lowrankFit.ts";
import type { PlanCommandOptions } from "./plan.ts";

const options: PlanCommandOptions = { method: "lora", batch: 2, accumulate: 3, dtype: "f32", optimizer: "adamw" };
const plan = (training: number, generation = 10, sequenceLength = 512) =>
  ({ training: { bytes: training }, generation, sequenceLength }) as never;

/** Returns the options of each attempt and the result, if the training fits after `tries` attempts. */
async function tried(given: Partial<PlanCommandOptions>, tries: number, sequenceLength = 512) {
  const asked: Partial<PlanCommandOptions>[] = [];
  const { instead } = await fitLowrank(plan(200, 10, sequenceLength), { ...options, ...given }, 100, async (other) => {
    const changed = Object.entries(other).filter(
      ([key, value]) => ({ ...options, ...given })[key as "batch"] !== value,
    );
    asked.push(Object.fromEntries(changed));
    return plan(asked.length >= tries ? 100 : 101);
  });
  return { asked, instead };
}

test("a plan fits up to the last byte", async () => {
  const never = () => Promise.reject(new Error("asked"));
  expect(await fitLowrank(plan(100, 100), options, 100, never)).toEqual({
    ...{ bytes: 100, training: true, generation: true, instead: null },
  });
  expect(await fitLowrank(plan(100, 101), options, 100, never)).toMatchObject({ training: true, generation: false });
  const none = await fitLowrank(plan(101, 99), { ...options, batch: 1 }, 100, async () => plan(101));
  expect(none).toEqual({ bytes: 100, training: false, generation: true, instead: null });
});

test("changes come by what they cost, each with those before it", async () => {
  const { asked, instead } = await tried({}, 5);
  const checkpoints = { gradientCheckpointing: true };
  const single = { ...checkpoints, batch: 1, accumulate: 6 };
  const packed = { ...single, method: "qlora", doubleQuant: true };
  expect(asked).toEqual([checkpoints, single, packed, { ...packed, seq: 256 }, { ...packed, seq: 128 }]);
  // The later of two lengths replaces the earlier one.
  expect(instead).toEqual({
    flags: "--gradient-checkpointing --batch 1 --accumulate 6 --method qlora --double-quant --seq 128",
    training: 100,
  });
  expect((await tried({}, 1)).instead).toEqual({ flags: "--gradient-checkpointing", training: 100 });
});

test("a change that is made already, or changes nothing, is left out", async () => {
  const only = (given: Partial<PlanCommandOptions>, length = 512) =>
    tried(given, 99, length).then(({ asked }) => asked);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "qlora" })).toEqual([{ seq: 256 }, { seq: 128 }]);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "qlora" }, 256)).toEqual([{ seq: 128 }]);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "qlora" }, 257)).toHaveLength(2);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "qlora" }, 128)).toEqual([]);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "qlora" }, 129)).toEqual([{ seq: 128 }]);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "ia3" }, 128)).toEqual([]);
  expect(await only({ gradientCheckpointing: true, batch: 1, method: "full" }, 128)).toEqual([
    { method: "qlora", doubleQuant: true },
  ]);
  expect(await only({ gradientCheckpointing: true, batch: 1, peftConfig: "c.json" }, 128)).toEqual([]);
});

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readSweep } from "./sweepFile.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-sweep-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const base = { model: "m", data: "a.jsonl" };
async function read(options: object) {
  const path = join(folder, "sweep.json");
  await writeFile(path, JSON.stringify(options));
  return readSweep(path);
}

test("a sweep has its defaults, shared options and the combinations of the others", async () => {
  const plan = await read({ ...base, targetModules: ["q_proj", "v_proj"], steps: 3, sweep: { lr: [0.1, 0.2], r: 4 } });
  expect(plan).toEqual({
    ...{ model: "m", data: ["a.jsonl"], validation: null, output: null, method: "supervised" },
    ...{ shared: { "target-modules": "q_proj,v_proj", steps: 3 }, varied: ["lr", "r"] },
    trials: [
      { lr: 0.1, r: 4 },
      { lr: 0.2, r: 4 },
    ],
  });
  const other = await read({
    ...{ ...base, data: ["a", "b"], validation: "v", output: "o", task: "dpo" },
    ...{ lora_dropout: 0, sweep: { weightDecay: { min: 0, max: 0.5 } }, trials: 3 },
  }).catch((error) => error.message);
  // The flag of the dropout has another name.
  expect(other).toContain("lora-dropout");
  const drawn = await read({
    ...{ ...base, data: ["a", "b"], validation: "v", output: "o", task: "dpo" },
    ...{ sweep: { weightDecay: { min: 0, max: 0.5 } }, trials: 3 },
  });
  expect(drawn).toMatchObject({
    data: ["a", "b"],
    validation: "v",
    output: "o",
    method: "dpo",
    varied: ["weight-decay"],
  });
  expect(drawn.trials).toHaveLength(3);
  const again = await read({ ...base, sweepSeed: 1, sweep: { weightDecay: { min: 0, max: 0.5 } }, trials: 3 });
  expect(again.trials).not.toEqual(drawn.trials);
});

test("a range of whole numbers gives whole numbers; by logarithm its lower end is above 0", async () => {
  const values = async (choice: object) => {
    const { trials } = await read({ ...base, sweep: { r: choice, ...{ lr: [0.1] } }, trials: 12 });
    return trials.map(({ r }) => r as number);
  };
  expect(new Set(await values({ min: 1, max: 3 }))).toEqual(new Set([1, 2, 3]));
  expect(new Set(await values({ min: 1, max: 2, scale: "log" }))).toEqual(new Set([1, 2]));
  const rates = (await read({ ...base, sweep: { lr: { min: 0.5, max: 2 } }, trials: 6 })).trials.map(({ lr }) => lr);
  expect(rates.some((rate) => !Number.isInteger(rate))).toBe(true);
  const mixed = (await read({ ...base, sweep: { lr: { min: 1, max: 2.5 } }, trials: 6 })).trials.map(({ lr }) => lr);
  expect(mixed.some((rate) => !Number.isInteger(rate))).toBe(true);
});

test.each([
  [{ ...base, sweep: { lr: { min: 1, max: 1 } }, trials: 2 }, "sweep.lr goes from 1 to 1; expected min < max"],
  [{ ...base, sweep: { lr: { min: 2, max: 1 } }, trials: 2 }, "sweep.lr goes from 2 to 1; expected min < max"],
  [
    { ...base, sweep: { lr: { min: 0, max: 1, scale: "log" } }, trials: 2 },
    "sweep.lr goes from 0 to 1; expected 0 < min < max",
  ],
  [{ ...base, sweep: { lr: { min: 0.1, max: 1 } } }, "sweep: lr is a range"],
  [{ ...base, sweep: { lr: [] } }, "sweep.lr: "],
  [{ ...base, sweep: { lr: [0.1] }, trials: 0 }, "trials: "],
  [{ ...base, sweep: { lr: [0.1] }, sweepSeed: -1 }, "sweepSeed: "],
  [{ ...base, model: "", sweep: {} }, "model: "],
  [{ ...base, data: [], sweep: {} }, "data: "],
  [{ ...base, r: 4, sweep: { r: [4] } }, 'r is set both inside and outside of "sweep"; remove one of them'],
  [{ ...base, r: { a: 1 }, sweep: {} }, 'r is {"a":1}; give a text or a number'],
  [{ ...base, sweep: { nonsense: [4] } }, 'trial {"nonsense":4}: there is no option "nonsense" for jobs'],
])("%j is refused", async (options, message) => {
  await expect(read(options)).rejects.toThrow(message);
});

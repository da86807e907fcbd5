import { init, manualSeed, mseLoss, tensor } from "@lowrank/core";
import { Linear, Sequential, Tanh } from "@lowrank/nn";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { Trainer } from "@lowrank/train";
import { wasm } from "@lowrank/wasm";
import { beforeAll, describe, expect, test } from "vitest";
import { tinyConfig } from "../../testing/tinyLlama.ts";
import type { MethodRow, Quality } from "./methodComparison.ts";
import { paretoFront } from "./paretoFront.ts";
import { sweepMethods } from "./sweepMethods.ts";

beforeAll(async () => void (await init(wasm())));

const lora = (r: number) => new LoraConfig({ r, targetModules: ["q_proj"] });

test("each row is evaluated with each seed, by its configuration and quantisation", async () => {
  const trials: string[] = [];
  const { rows } = await sweepMethods(tinyConfig, [lora, null], {
    ...{ ranks: [1, 2], targets: [["q_proj"], ["v_proj"]], metric: "accuracy", seeds: 2 },
    evaluate: ({ config, quantization, seed, row }) => {
      const { r, targetModules } = (config ?? {}) as Partial<LoraConfig>;
      trials.push(`${r} ${targetModules} ${quantization} ${seed}`);
      return row.trainable + 2 * seed;
    },
  });
  expect(trials.slice(0, 4)).toEqual(
    [..."01"].flatMap((seed) => [`1 q_proj null ${seed}`]).concat("1 v_proj null 0", "1 v_proj null 1"),
  );
  expect(trials).toHaveLength(10);
  expect(trials.at(-1)).toBe("undefined undefined null 1");
  for (const { quality, trainable } of rows) {
    expect(quality).toEqual({
      ...{ metric: "accuracy", mean: trainable + 1, deviation: Math.SQRT2, higherIsBetter: true },
    });
  }
  expect(rows.every(({ paretoOptimal }) => paretoOptimal)).toBe(true);
});

test("a training that fails is listed with its error, and the others go on", async () => {
  const { rows, failed } = await sweepMethods(tinyConfig, [lora], {
    ...{ ranks: [1, 2, 4], metric: "loss", higherIsBetter: false },
    evaluate: ({ row }) => {
      if (row.rank === 2) throw Object.assign(new Error("out of memory"), { code: "oom" });
      return 1 / (row.rank as number);
    },
  });
  expect(failed).toEqual([
    { name: "LoRA", rank: 2, quantization: null, targets: ["q_proj"], why: "out of memory", code: "oom" },
  ]);
  expect(rows.map(({ rank, paretoOptimal }) => [rank, paretoOptimal])).toEqual([
    [1, true],
    [4, true],
  ]);
});

test("trainings of a module give losses that fall with the rank", async () => {
  const net = () => {
    manualSeed(1);
    return new Sequential(new Linear(4, 16), new Tanh(), new Linear(16, 4));
  };
  const examples = Array.from({ length: 32 }, (_, i) => [
    Math.sin(i),
    Math.cos(3 * i),
    Math.sin(5 * i),
    Math.cos(7 * i),
  ]);
  const { rows } = await sweepMethods(net(), [(r) => new LoraConfig({ r, targetModules: ["0", "2"] })], {
    ...{ ranks: [1, 4], metric: "loss", higherIsBetter: false },
    evaluate: async ({ config }) => {
      const peft = await getPeftModel(net(), config as LoraConfig);
      const collate = (batch: readonly number[][]) => tensor(batch);
      const loss = (model: typeof peft, x: ReturnType<typeof collate>) => mseLoss(model.forward(x), x);
      const evaluation = { examples };
      const trainer = new Trainer(peft, examples, {
        collate,
        loss,
        learningRate: 2e-2,
        epochs: 20,
        seed: 1,
        evaluation,
      });
      const { evaluations } = await trainer.train();
      return evaluations.at(-1)?.evaluation.loss as number;
    },
  });
  expect(rows.map(({ paretoOptimal }) => paretoOptimal)).toEqual([true, true]);
  expect((rows[1].quality as Quality).mean).toBeLessThan(0.8 * (rows[0].quality as Quality).mean);
});

describe("paretoFront", () => {
  const row = (name: string, trainable: number, mean: number | null, higherIsBetter = true, metric = "m") =>
    ({
      ...{ name, trainable, trainingBytes: 100 - trainable },
      ...(mean !== null && { quality: { metric, mean, deviation: 0, higherIsBetter } }),
    }) as MethodRow;
  const names = (rows: readonly MethodRow[]) => rows.map(({ name }) => name).join("");
  const points = [row("a", 3, 5), row("b", 1, 2), row("c", 2, 2), row("d", 4, 4), row("e", 9, null), row("f", 5, 6)];

  test("has the rows that no other row beats, the cheapest first", () => {
    expect(names(paretoFront(points))).toBe("baf");
    // With the other cost, large adapters are cheap.
    expect(names(paretoFront(points, "trainingBytes"))).toBe("f");
    expect(
      names(
        paretoFront(points.map(({ name, trainable, quality }) => row(name, trainable, quality?.mean ?? null, false))),
      ),
    ).toBe("b");
    expect(names(paretoFront([row("a", 1, 2), row("b", 1, 2)]))).toBe("ab");
    expect(paretoFront([])).toEqual([]);
  });

  test("needs one metric", () => {
    const mixed = [row("a", 1, 2), row("b", 1, 2, true, "loss")];
    expect(() => paretoFront(mixed)).toThrow("rows have different metrics (m, loss); compare rows of one metric");
  });
});

test.each<[string, object, string]>([
  ["no metric", { metric: undefined }, "sweepMethods: metric is undefined; give the name of the metric"],
  ["no function", { evaluate: 3 }, "evaluate is 3; give a function that trains and returns the metric"],
  ["no seeds", { seeds: 0 }, "seeds is 0; give a whole number of at least 1"],
  [
    "a metric that is not a number",
    { evaluate: () => Number.NaN },
    "evaluate returned NaN as loss; return a finite number",
  ],
])("%s is refused", async (_, options, message) => {
  const run = sweepMethods(tinyConfig, [lora], { metric: "loss", evaluate: () => 1, ...options } as never);
  await expect(run).rejects.toThrow(message);
});

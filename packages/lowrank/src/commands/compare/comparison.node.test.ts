import { describe, expect, test } from "vitest";
import type { Job, Measured } from "../../compare/job.ts";
import { compareOutcomes } from "./comparison.ts";

const job: Job = {
  ...{ model: "/models/<img src=x onerror=alert(1)>", method: "lora", seed: 0, r: 8, targetModules: "all-linear" },
  ...{ virtualTokens: 20, steps: 3, batchSize: 4, learningRate: 1e-3, testExamples: 10, backend: "wasm", threads: 1 },
  data: { kind: "files", data: ["[a](javascript:b).jsonl"], validation: undefined, validationFraction: 0.1 },
  precision: undefined,
};

test("names of models and files, and errors, are text in Markdown and HTML", () => {
  const { markdown, html } = compareOutcomes([{ job, error: "<script>c</script> | `d`" }]);
  expect(markdown).toContain("\\<img src=x onerror=alert(1)\\>");
  expect(markdown).toContain("\\[a\\](javascript:b).jsonl");
  expect(markdown).toContain("- lora, seed 0: \\<script\\>c\\</script\\> | \\`d\\`");
  expect(html).not.toMatch(/<img|<script>c/);
});

describe("runs side by side", () => {
  const measured: Measured = {
    ...{ backend: "wasm", trainable: 1000, total: 100_000, percent: 1, bytesSaved: 4000, mergeable: true },
    ...{ peakProcessBytes: 5e8, peakTensorBytes: 2e8, stepMilliseconds: 10, lossBefore: 3.25, loss: 1 },
    ...{
      exactMatch: 0.5,
      testExamples: 10,
      latencyMilliseconds: 99.999,
      mergedLatencyMilliseconds: 2,
      latencyTokens: 64,
    },
  };
  const run = (method: string, seed: number, more: Partial<Measured> = {}) => ({
    job: { ...job, model: null, method, seed },
    measured: { ...measured, ...more },
  });
  const rowsOf = (...outcomes: Parameters<typeof compareOutcomes>[0]) =>
    JSON.parse(compareOutcomes(outcomes).json).methods as Record<string, number | string | null>[];

  test("have medians of times, the most of memory, and mean and deviation of quality", () => {
    const [row, ...others] = rowsOf(
      run("lora", 0, { stepMilliseconds: 10, peakProcessBytes: 7, peakTensorBytes: 1, loss: 1, exactMatch: 0.25 }),
      run("lora", 1, { stepMilliseconds: 30, peakProcessBytes: 5, peakTensorBytes: 9, loss: 2, exactMatch: 0.75 }),
      run("lora", 2, { stepMilliseconds: 20, peakProcessBytes: 6, peakTensorBytes: 4, loss: 6, exactMatch: null }),
    );
    expect(others).toEqual([]);
    expect(row).toMatchObject({
      ...{ seeds: 3, learningRate: 1e-3, trainable: 1000, percent: 1, bytesSaved: 4000 },
      ...{ peakProcessBytes: 7, peakTensorBytes: 9, stepMilliseconds: 20, mergedLatencyMilliseconds: 2 },
      ...{ loss: 3, exactMatch: 0.5 },
    });
    // The standard deviations of samples: Python's statistics.stdev.
    expect(row.lossDeviation).toBeCloseTo(2.6457513110645907, 12);
    expect(row.exactMatchDeviation).toBeCloseTo(0.3535533905932738, 12);
  });

  test("have no deviation for one seed, and nothing where nothing was measured", () => {
    const bare = { exactMatch: null, mergedLatencyMilliseconds: null };
    const [row] = rowsOf(run("lora", 0, bare));
    expect(row).toMatchObject({ seeds: 1, loss: 1, lossDeviation: 0, exactMatch: null, exactMatchDeviation: null });
    expect(row.mergedLatencyMilliseconds).toBeNull();
    expect(rowsOf({ job, error: "no" })).toEqual([]);
    const { text, html } = compareOutcomes([run("lora", 0, bare)]);
    expect(text).toContain("loss over 10 test examples");
    expect(html).not.toContain("Exact match");
  });

  test("are in the order of their methods", () => {
    const rows = rowsOf(run("vera", 0), run("lora", 0), run("vera", 1), { job, error: "no" });
    expect(compareOutcomes([run("lora", 0)]).json).toMatch(/^\{\n {2}"methods": \[\n/);
    expect(rows.map(({ method, seeds }) => [method, seeds])).toEqual([
      ["VeRA", 2],
      ["LoRA", 1],
    ]);
  });

  test("as text, with the spread over seeds", () => {
    const { text } = compareOutcomes([
      run("lora", 0, { loss: 1, latencyMilliseconds: 99.994 }),
      run("lora", 1, { loss: 2, latencyMilliseconds: 99.994 }),
      run("vera", 0, { latencyMilliseconds: 100, backend: "webgpu (x)" }),
    ]);
    const lines = text.split("\n");
    expect(lines[0]).toBe(
      "nano learns [a](javascript:b).jsonl: 3 steps of 4 examples, 2 seeds; loss before training 3.2500",
    );
    const cells = lines.slice(2, 5).map((line) => line.split(/ {2,}/));
    expect(cells[1]).toEqual([
      "LoRA",
      "1,000",
      "1",
      "4 kB",
      "500.0 MB",
      "200.0 MB",
      "10.00",
      "99.99",
      "2.00",
      "1.5000 ±0.7071",
      "50.0 ±0.0",
    ]);
    expect(cells[2]).toEqual([
      "VeRA",
      "1,000",
      "1",
      "4 kB",
      "500.0 MB",
      "200.0 MB",
      "10.00",
      "100",
      "2.00",
      "1.0000",
      "50.0",
    ]);
    expect(text).toContain("pass: the median of a forward pass over 64 tokens");
    expect(text).toContain("loss, and answers that are right to the last token, over 10 test examples");
    expect(text).toContain("learning rates: LoRA 0.001, VeRA 0.001.");
    expect(text).toContain("backend: wasm; webgpu (x).");
  });

  test("are named by model, task, seeds and precision", () => {
    const task = { kind: "task", trainExamples: 5 } as const;
    const headOf = (more: Partial<Job>) => {
      const outcome = { job: { ...job, model: "/m/tiny", data: task, ...more }, error: "no" };
      return compareOutcomes([outcome]).text.split("\n")[0];
    };
    expect(headOf({})).toBe("tiny learns JavaScript in the place of Python: 3 steps of 4 examples, 1 seed");
    expect(headOf({ precision: "high", model: null })).toBe(
      "nano learns JavaScript in the place of Python: 3 steps of 4 examples, 1 seed, high precision",
    );
    expect(compareOutcomes([{ job, error: "no" }]).text).not.toContain("backend:");
  });

  test("have the Pareto front of quality over trainable parameters", () => {
    const front = (...outcomes: Parameters<typeof compareOutcomes>[0]) =>
      rowsOf(...outcomes).flatMap(({ method, paretoOptimal }) => (paretoOptimal === "yes" ? [method] : []));
    const small = { trainable: 10, exactMatch: 0.25, loss: 2 };
    const worse = { trainable: 2000, exactMatch: 0.4, loss: 0.5 };
    expect(front(run("lora", 0), run("vera", 0, small), run("dora", 0, worse))).toEqual(["LoRA", "VeRA"]);
    const losses = [run("lora", 0), run("vera", 0, small), run("dora", 0, worse)].map(({ job, measured }) => {
      return { job, measured: { ...measured, exactMatch: null } };
    });
    expect(front(...losses)).toEqual(["LoRA", "VeRA", "DoRA"]);
    expect(compareOutcomes(losses).html).toContain("<strong>Quality: test loss, lower is better</strong>");
  });

  test("are named by their size, and have the change of the loss on an earlier task", () => {
    const of = (value: number, seed: number, earlierLoss: number) => {
      const { job, measured } = run("lora", seed, { earlierLossBefore: 0.5, earlierLoss, trainable: value });
      return { job: { ...job, size: { flag: "r", value } }, measured };
    };
    const outcomes = [of(2, 0, 0.75), of(4, 0, 0.25), of(2, 1, 1.25), run("vera", 0)];
    expect(rowsOf(...outcomes)).toMatchObject([
      { method: "LoRA, r 2", size: "r 2", seeds: 2, forgetting: 0.5 },
      { method: "LoRA, r 4", size: "r 4", seeds: 1, forgetting: -0.25, forgettingDeviation: 0 },
      { method: "VeRA", size: null, forgetting: null, forgettingDeviation: null },
    ]);
    const { text, html } = compareOutcomes(outcomes);
    expect(text.split("\n")[3]).toMatch(/LoRA, r 2 .* 0\.5000 ±0\.3536$/);
    expect(text).toContain("forgetting: the increase of the loss on examples of an earlier task");
    expect(html).toContain("before training: 0.5000");
    const bare = compareOutcomes([run("lora", 0)]);
    expect(bare.text + bare.html).not.toMatch(/forgetting|earlier task/);
    const failed = compareOutcomes([{ job: { ...job, size: { flag: "sparsity", value: 0.123456 } }, error: "no" }]);
    expect(failed.text).toContain("lora, sparsity 0.1235, seed 0: no");
  });

  test("as charts, that of trained values by logarithms", () => {
    const { html } = compareOutcomes([
      run("lora", 0, { loss: 1, exactMatch: null }),
      run("vera", 0, { loss: 2, trainable: 10, mergedLatencyMilliseconds: null }),
    ]);
    const charts = [...html.matchAll(/<figcaption><strong>([^<]*)<\/strong>/g)].map(([, title]) => title);
    expect(charts).toEqual([
      "Quality: exact match (%), higher is better",
      "Exact match",
      "Test loss, nats per token",
      "Trainable parameters (logarithmic)",
      "Peak memory of tensors while training",
      "Time of a step, ms",
      "Forward pass as trained, ms",
      "Forward pass merged, ms",
    ]);
    expect(html.match(/not measured/g)).toHaveLength(2);
    expect(html).toContain(">50.0 %</text>");
    expect(html).toContain(">1.0000</text>");
    expect(html).toContain("backend: wasm.");
  });
});

import { expect, test } from "vitest";
import type { ValidationLine } from "./metricsLog.ts";
import type { RunRecord } from "./runConfig.ts";
import { runPage } from "./runPage.ts";

const config = {
  ...{ lowrank: "1.2.3", node: "v24", platform: "linux x64", processor: { model: "CPU", features: ["avx", "fma"] } },
  backend: { name: "wasm", adapter: undefined, threads: 2 },
  ...{ options: { lr: 0.1, task: "sft", data: ["a"] }, resolved: {}, data: [], model: [] },
};
const run = (more: Partial<RunRecord> = {}): RunRecord => ({
  ...{
    name: "mine",
    baseModel: "org/base",
    peftType: "LORA",
    steps: 4,
    maxSteps: 4,
    labels: [],
    targets: ["2 q_proj"],
  },
  ...{ parameters: { trainable: 50, all: 4000 }, data: "10 tokens", metrics: [], tokens: 3000, seconds: 2 },
  ...{ peakMemory: 5e6, warnings: ["be careful"], kind: {} as RunRecord["kind"], config: config as never, ...more },
});
const step = (step: number, loss: number) => ({
  ...{ step, loss, learning_rate: 0.1 / step, grad_norm: 1, tokens_per_second: 1000 * step, memory: 1e6 * step },
});
const facts = (page: string) =>
  Object.fromEntries(
    [...page.matchAll(/<tr><th scope="row">([^<]*)<\/th><td>([^<]*)<\/td><\/tr>/g)].map((found) => found.slice(1)),
  );
const headings = (page: string) => [...page.matchAll(/<h2>([^<]*)</g)].map(([, heading]) => heading);
const charts = (page: string): Record<string, string> =>
  Object.fromEntries(
    page
      .split("<svg ")
      .slice(1)
      .map((svg) => [/aria-label="([^"]*)"/.exec(svg)?.[1], svg]),
  );
const count = (text: string, part: string) => text.split(part).length - 1;

test("a page has the facts of a run, its options, files and machine", () => {
  const page = runPage(run());
  expect(page).toContain("<p>LORA on org/base, 4 steps, by Lowrank 1.2.3</p>");
  expect(headings(page)).toEqual(["Results", "What trains", "Options", "Data and model", "Machine"]);
  expect(facts(page)).toEqual({
    ...{ validation: "none", "time of steps": "2.0 s", speed: "1,500 tokens/s", "peak memory": "5.0 MB" },
    ...{ targets: "2 q_proj", "trainable parameters": "50 of 4,000 (1.25 %)", data: "[&quot;a&quot;]", lr: "0.1" },
    ...{ task: "sft", system: "linux x64, Node v24", processor: "CPU, avx, fma", backend: "name wasm, threads 2" },
  });
  expect(page).toContain('<tr><th scope="row">data</th><td>10 tokens</td></tr>');
  expect(page).toContain("<li>be careful</li>");
  expect(page).toContain("<p>none on this disk</p>");
  const other = runPage(run({ peftType: null, steps: 3, seconds: 0 }));
  expect(other).toContain("<p>the whole model on org/base, stopped after step 3 of 4, by Lowrank 1.2.3</p>");
  expect(facts(other).speed).toBe("-");
  expect(facts(runPage(run({ seconds: 0.5 }))).speed).toBe("6,000 tokens/s");
  const file = { path: "a.jsonl", bytes: 12, sha256: "abc" };
  const files = runPage(run({ config: { ...config, model: [file] } as never }));
  expect(files).toContain(
    '<td class="kind">model</td><td class="path">a.jsonl</td><td class="number" data-value="12">12',
  );
});

test("results are the first and the last validation", () => {
  const validations: ValidationLine[] = [
    { step: 1, eval_loss: 3, eval_f1: 0.25 },
    { step: 3, eval_loss: 9, eval_f1: 9 },
    { step: 4, eval_loss: 2, eval_f1: 0.5, eval_new: 7 },
  ];
  expect(facts(runPage(run({ metrics: validations })))).toMatchObject({
    ...{ "validation loss": "3 after step 1, 2 after step 4", "validation f1": "0.25 after step 1, 0.5 after step 4" },
    "validation new": "7 after step 4",
  });
  expect(facts(runPage(run({ metrics: validations.slice(0, 1) })))["validation loss"]).toBe("3 after step 1");
});

test("curves need two measurements; dots are validations", () => {
  const titles = (metrics: RunRecord["metrics"]) => Object.keys(charts(runPage(run({ metrics }))));
  const [first, second] = [
    { step: 0, eval_loss: 3, eval_perplexity: 20 },
    { step: 2, eval_loss: 1, eval_perplexity: 3, eval_f1: 0.5 },
  ];
  expect([titles([step(1, 2)]), titles([first])]).toEqual([[], []]);
  expect(titles([first, step(1, 2)])).toEqual(["Loss"]);
  expect(titles([first, second])).toEqual(["Loss"]);
  const ofSteps = ["Learning rate", "Gradient norm", "Tokens per second", "Memory"];
  expect(titles([step(1, 2), step(2, 1)])).toEqual(["Loss", ...ofSteps]);
  const f1 = { eval_f1: 0.25 };
  const page = runPage(run({ metrics: [{ ...first, ...f1 }, step(1, 2), step(2, 1), second] }));
  const drawn = charts(page);
  expect(Object.keys(drawn)).toEqual(["Loss", "Validation f1", ...ofSteps]);
  expect(Object.values(drawn).map((svg) => count(svg, "<circle"))).toEqual([2, 2, 0, 0, 0, 0]);
  // A chart of several lines has a legend.
  const legend = '<li><span class="c0"></span>training</li><li><span class="c1 dot"></span>validation</li>';
  expect(page).toContain(legend);
  for (const metrics of [
    [step(1, 2), step(2, 1)],
    [first, second],
  ]) {
    expect(runPage(run({ metrics }))).not.toContain('class="legend"');
  }
  expect(runPage(run({ metrics: [first, step(1, 2)] }))).toContain('class="legend"');
  const labels = (title: string) =>
    [...drawn[title].matchAll(/class="tick end"[^>]*>([^<]*)</g)].map(([, text]) => text);
  expect(labels("Memory")).toEqual(["0 B", "500 kB", "1 MB", "1.5 MB", "2 MB"]);
  expect(labels("Tokens per second")).toEqual(["0", "500", "1,000", "1,500", "2,000"]);
  expect(labels("Learning rate").at(-1)).toBe("0.1");
});

test("training losses are drawn faintly, with their moving average of a stated weight", () => {
  const losses = [4, 2, 3, 1];
  const { Loss } = charts(runPage(run({ metrics: losses.map((loss, i) => step(i + 1, loss)) })));
  const lines = [...Loss.matchAll(/<path class="line ([^"]*)" d="([^"]*)"><title>([^<]*)</g)];
  expect(lines.map(([, kind, , name]) => [kind, name])).toEqual([
    ["faint c0", "training, each step"],
    ["c0", "training, smoothed"],
  ]);
  const heights = lines.map(([, , path]) => [...path.matchAll(/[ML][\d.]+ ([\d.]+)/g)].map(([, y]) => Number(y)));
  // The axis is linear: a loss is `low` plus a multiple of the height.
  const slope = (heights[0][1] - heights[0][0]) / (losses[1] - losses[0]);
  let [average, bias] = [0, 1];
  for (const [i, loss] of losses.entries()) {
    average = 0.8 * average + 0.2 * loss;
    bias *= 0.8;
    const expected = heights[0][0] + slope * (average / (1 - bias) - losses[0]);
    expect(Math.abs(heights[1][i] - expected)).toBeLessThan(0.2);
  }
  expect(runPage(run({ metrics: [step(1, 2), step(2, 1)] }))).toContain("exponential moving average of weight 0.8");
});

test("a curve has at most 500 points", () => {
  const points = (length: number) => {
    const metrics = Array.from({ length }, (_, i) => step(i + 1, 1 + (i % 2)));
    const [, path] = /d="(M[^"H]*)"><title>training, each step</.exec(charts(runPage(run({ metrics }))).Loss) ?? [];
    return count(path, "L") + 1;
  };
  expect([points(500), points(501)]).toEqual([500, 251]);
});

test("answers of the first and the last time are side by side", () => {
  const answers = (step: number, ...samples: { prompt: string; answer: string; reference?: string }[]) => ({
    ...{ step, samples },
  });
  const first = answers(0, { prompt: "1 < 2?", answer: "no" });
  const last = answers(4, { prompt: "1 < 2?", answer: "yes", reference: "yes!" }, { prompt: "new", answer: "x" });
  const part = (heading: string, text: string) => `<div><h3>${heading}</h3><pre>${text}</pre></div>`;
  const page = runPage(run({ metrics: [first, answers(2), last] }));
  expect(headings(page)).toContain("Answers before and after");
  const parts = [part("after step 0", "no"), part("after step 4", "yes"), part("in the data", "yes!")].join("");
  expect(page).toContain(`<h3>prompt</h3><pre>1 &lt; 2?</pre><div class="answers">${parts}</div></div>`);
  expect(page).toContain(`<pre>new</pre><div class="answers">${part("after step 4", "x")}</div></div>`);
  const once = runPage(run({ metrics: [last] }));
  expect(count(once, "<h3>after step 4</h3>")).toBe(2);
});

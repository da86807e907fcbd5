import { PassThrough } from "node:stream";
import type { StepReport } from "@lowrank/train";
import { afterEach, expect, test, vi } from "vitest";
import { TerminalView } from "../../../cli/terminalView.ts";
import { trainProgress } from "./trainProgress.ts";

afterEach(() => vi.restoreAllMocks());

/** Returns a stream that records its output. */
function stream(more: object = {}) {
  const made = Object.assign(new PassThrough(), { isTTY: false, ...more }) as unknown as NodeJS.WriteStream;
  const read = () => String((made as unknown as PassThrough).read() ?? "");
  return { made, read };
}
const step = (step: number, more: Partial<StepReport> = {}): StepReport => ({
  ...{ step, maxSteps: 40, loss: 4, learningRate: 0.1, gradNorm: 1, tokens: 300, seconds: 0.25, ...more },
});

test("steps are told twenty times, and the last one always", () => {
  const numbers = (maxSteps: number) => {
    const { made, read } = stream();
    const progress = trainProgress(made);
    for (let i = 1; i <= maxSteps; i++) progress.step(step(i, { maxSteps }));
    return [...read().matchAll(/^step (\d+) of/gm)].map(([, number]) => Number(number));
  };
  expect(numbers(3)).toEqual([1, 2, 3]);
  expect(numbers(20)).toHaveLength(20);
  expect(numbers(21)).toEqual([2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 21]);
  expect(numbers(40)).toHaveLength(20);
});

test("speed and time left are those of all steps so far, or as they are given", () => {
  const { made, read } = stream();
  const progress = trainProgress(made);
  progress.step(step(1, { maxSteps: 5, tokens: 100, seconds: 1 }));
  expect(read()).toBe("step 1 of 5 | loss 4.0000 | 100 tokens/s | 4.0 s left\n");
  progress.step(step(2, { maxSteps: 5, tokens: 500, seconds: 2 }));
  expect(read()).toBe("step 2 of 5 | loss 4.0000 | 200 tokens/s | 4.5 s left\n");
  // A resumed run has taken fewer steps itself.
  progress.step(step(4, { maxSteps: 5, tokens: 600, seconds: 3 }), 70);
  expect(read()).toBe("step 4 of 5 | loss 4.0000 | 200 tokens/s | 1 min 10 s left\n");
});

test("validations and answers are lines; answers before the first step are not told", () => {
  const { made, read } = stream();
  const progress = trainProgress(made);
  progress.metrics({ step: 3, eval_loss: 2, eval_perplexity: 7.4 });
  expect(read()).toBe("step 3: validation loss 2.0000 nats per token\n");
  progress.metrics({ step: 3, eval_loss: 2, eval_token_accuracy: 0.5, eval_f1: 1 });
  expect(read()).toBe("step 3: validation loss 2.0000, token accuracy 0.5000, f1 1.0000\n");
  const samples = [{ prompt: "a\n b", answer: "\x1b[2J" }];
  progress.metrics({ step: 0, samples });
  expect(read()).toBe("");
  progress.metrics({ step: 1, samples });
  expect(read()).toBe("step 1: a b -> ?[2J\n");
  progress.metrics(step(1) as never);
  expect(read()).toBe("");
  const long = "x".repeat(73);
  progress.metrics({ step: 1, samples: [{ prompt: long, answer: long.slice(1) }] });
  expect(read()).toBe(`step 1: ...${"x".repeat(69)} -> ${"x".repeat(72)}\n`);
});

test("a view is drawn ten times a second, at the last step and for each line of metrics", () => {
  let now = 0;
  vi.spyOn(performance, "now").mockImplementation(() => now);
  const { made, read } = stream({ isTTY: true, columns: 100, rows: 40 });
  const progress = trainProgress(made);
  const draws = () => read().split("step ").length - 1;
  progress.metrics({ step: 0, eval_loss: 9 });
  expect(read()).toBe("");
  progress.step(step(1));
  expect(draws()).toBe(2);
  now = 99;
  progress.step(step(2));
  expect(draws()).toBe(0);
  now = 100;
  progress.step(step(3));
  expect(draws()).toBe(2);
  progress.step(step(40));
  expect(draws()).toBe(2);
  progress.metrics({ step: 40, samples: [{ prompt: "who", answer: "you" }] });
  expect(read()).toContain("who → you");
  expect(made.listenerCount("resize")).toBe(1);
  made.emit("resize");
  expect(read()).toContain("validation 9.0000 at step 0");
  progress.note("saved");
  expect(read()).toContain("saved\n");
  progress.end();
  expect(made.listenerCount("resize")).toBe(0);
  read();
  progress.end();
  expect(read()).toBe("");
});

test("a terminal's view is drawn over the rows that it took, which are more after it became narrower", () => {
  const { made, read } = stream({ columns: 10, rows: 7 });
  const view = new TerminalView(made);
  expect([view.columns, view.rows]).toEqual([10, 7]);
  view.write("above\n");
  expect(read()).toBe("above\n");
  view.show(["a".repeat(10), "", "b"]);
  expect(read()).toBe("aaaaaaaaaa\n\nb\n");
  view.show(["c"]);
  expect(read()).toBe("\x1b[3A\x1b[0Jc\n");
  view.write("more\n");
  expect(read()).toBe("\x1b[1A\x1b[0Jmore\nc\n");
  view.show(["a".repeat(10)]);
  made.columns = 4;
  read();
  view.show([]);
  expect(read()).toBe("\x1b[3A\x1b[0J");
  view.show(["d"]);
  view.leave();
  read();
  view.show(["e"]);
  expect(read()).toBe("e\n");
  const unknown = new TerminalView(stream({ columns: 0, rows: 0 }).made);
  expect([unknown.columns, unknown.rows]).toEqual([80, 24]);
});

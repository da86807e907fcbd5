import { expect, test } from "vitest";
import type { RunRecord } from "../files/runConfig.ts";
import { baseCheck, nextSteps, resultOf, runSummary } from "./runSummary.ts";

const result = { steps: 4, tokens: 3000, seconds: 1.5, best: null as object | null, stoppedEarly: false };
const summary = (run: object = {}, metrics: readonly object[] = [], options: object = {}) =>
  runSummary(
    { result, stepSeconds: [0.5, 0.25, 0.0625, 0.125], maxSteps: 4, ...run } as never,
    { metrics, peakMemory: 3.4 * 2 ** 20 } as never,
    { output: "my run", ...options } as never,
  );
const speed = "speed: 4 steps in 1.5 s, 2,000 tokens/s, 250 ms a step (median)";

test("a summary has the speed, with the upper median of a step, and the memory", () => {
  expect(summary()).toEqual([speed, "peak memory: 3 MiB"]);
  expect(summary({}, [], { precision: "high" })[0]).toBe(`${speed}, high precision`);
  expect(summary({ stepSeconds: [3, 1, 2] })[0]).toBe(
    "speed: 3 steps in 1.5 s, 2,000 tokens/s, 2000 ms a step (median)",
  );
  expect(summary({ stepSeconds: [] })).toEqual(["peak memory: 3 MiB"]);
  const one = { stepSeconds: [0.0014], result: { ...result, tokens: 2999.6 * 1.5 } };
  expect(summary(one)[0]).toBe("speed: 1 steps in 1.5 s, 3,000 tokens/s, 1 ms a step (median)");
});

test("a summary has the first and the last validation, a perplexity only of a cross-entropy", () => {
  const metrics = [
    { step: 0, eval_loss: 3.25, eval_perplexity: 25.79, eval_token_accuracy: 0.5 },
    { step: 1, loss: 9 },
    { step: 2, eval_loss: 9, eval_perplexity: 9, eval_token_accuracy: 9 },
    { step: 4, eval_loss: 1, eval_perplexity: 2.75, eval_token_accuracy: 1 },
  ];
  expect(summary({}, metrics).slice(0, 2)).toEqual([
    "validation loss, nats per token: 3.2500 at step 0 (perplexity 25.8), 1.0000 at step 4 (perplexity 2.8)",
    "validation token accuracy: 0.5000 at step 0, 1.0000 at step 4",
  ]);
  expect(summary({}, metrics.slice(0, 2))[1]).toBe("validation token accuracy: 0.5000 at step 0");
  expect(summary({}, [{ step: 0, eval_loss: 2 }])[0]).toBe("validation loss: 2.0000 at step 0");
});

test("a summary says how a run ended before its last step, and which evaluation was the best", () => {
  const best = { step: 2, metric: 0.125 };
  expect(summary({ result: { ...result, best } })).toEqual([
    ...["best evaluation: step 2, 0.1250", speed, "peak memory: 3 MiB"],
  ]);
  expect(summary({ result: { ...result, steps: 3, stoppedEarly: true } })[0]).toBe("stopped early, after step 3 of 4");
  expect(summary({ result: { ...result, steps: 3 } })[0]).toBe(
    "stopped after step 3 of 4; the adapter is as it was then, and --resume 'my run' continues",
  );
});

test("the result as JSON has the last loss, and the first and the last validation", () => {
  const record = { steps: 4, maxSteps: 5, peftType: "LORA", baseModel: "m", tokens: 6, seconds: 7, peakMemory: 8 };
  const lines = [
    { step: 0, eval_loss: 3 },
    { step: 1, loss: 2 },
    { step: 2, loss: 1 },
    { step: 2, eval_loss: 4 },
    { step: 3, eval_loss: 5 },
  ];
  const of = (metrics: readonly object[], interrupted: Error | null = null) =>
    resultOf(
      { output: "out" } as never,
      { ...record, metrics, parameters: { trainable: 1, all: 2 }, warnings: ["w"] } as unknown as RunRecord,
      { interrupted, resumedFrom: "c", result: { ...result, best: { step: 1, metric: 2 } } } as never,
      ["a", "b"],
    );
  const common = {
    ...{ ...record, output: "out", files: ["a", "b"], parameters: { trainable: 1, all: 2 }, warnings: ["w"] },
    ...{ resumedFrom: "c", best: { step: 1, metric: 2 }, stoppedEarly: false },
  };
  expect(of(lines, new Error("stopped by SIGINT"))).toEqual({
    ...{ ...common, interrupted: "stopped by SIGINT", loss: 1, validation: { first: lines[0], last: lines[4] } },
  });
  expect(of([])).toEqual({ ...common, interrupted: null, loss: null, validation: { first: null, last: null } });
});

test("a base model that training has changed is an error", () => {
  expect(baseCheck(1.25, 1.25)).toBe(
    "base model with the adapter off: loss 1.250000 before, 1.250000 after, bit-identical",
  );
  expect(() => baseCheck(1.25, 1.5)).toThrow(
    "training changed the base model: with the adapter disabled, loss 1.250000 before, 1.500000 after; the adapter was saved, but may be wrong",
  );
});

test("the next steps fit the model, the adapter and the data", () => {
  const steps = (
    learner: object,
    { writes = true, chats = false, quantize = null as object | null, output = "out/" } = {},
  ) =>
    nextSteps(
      { model: "my model", output } as never,
      { task: { kind: { writes } }, loaded: { quantize } } as never,
      { adapted: {}, mergeable: true, note: null, ...learner } as never,
      { files: ["a", "b"], chats },
    );
  const wrote = ["wrote out/: a, b", "next:"];
  const both = "--model 'my model' --adapter out/";
  expect(steps({})).toEqual([
    ...[...wrote, `  lowrank generate ${both} --prompt "..."`],
    ...[`  lowrank merge ${both} --output out-merged`, "  lowrank serve 'my model' --adapter mine=out/"],
  ]);
  const generate = `  lowrank generate ${both} --chat --prompt "..."`;
  expect(steps({ mergeable: false, note: "a note" }, { chats: true })).toEqual([
    ...["wrote out/: a, b", "a note", "next:", generate],
  ]);
  const nf4 = `${both} --quant-type nf4`;
  expect(steps({}, { quantize: { quantType: "nf4", blockSize: 64 } }).slice(2)).toEqual([
    ...[`  lowrank generate ${nf4} --prompt "..."`, `  lowrank merge ${nf4} --output out-merged`],
  ]);
  expect(steps({ adapted: null })).toEqual([...wrote, '  lowrank generate --model out/ --prompt "..."']);
  expect(steps({ adapted: null }, { writes: false })).toEqual(["wrote out/: a, b"]);
  expect(steps({}, { writes: false })).toEqual([...wrote, "  out/README.md has the code that uses it"]);
});

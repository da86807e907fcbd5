import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OptionError } from "@lowrank/core";
import { Tokenizer } from "@lowrank/models";
import type { StepReport } from "@lowrank/train";
import { init, wasm } from "lowrank";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Interrupted } from "../../cli/process/interrupt.ts";
import { tinyLlama } from "../../testing/tinyLlama.ts";
import { wordTokenizer } from "../../testing/wordTokenizer.ts";
import { isSample, isStep, isValidation } from "./files/metricsLog.ts";
import { findTask } from "./tasks/index.ts";
import type { TrainCommandOptions } from "./train.ts";
import { type StepsContext, trainSteps } from "./trainSteps.ts";
import type { SamplePrompt } from "./view/sampleAnswers.ts";

await init(wasm());
let output: string;
beforeEach(async () => {
  output = await mkdtemp(join(tmpdir(), "lowrank-steps-"));
});
afterEach(() => rm(output, { recursive: true, force: true }));

const example = (...inputIds: number[]) => ({ inputIds, labels: inputIds });
const examples = [example(1, 2, 3), example(4, 5, 6, 7), example(2, 3, 4), example(8, 9)];
const prompts: SamplePrompt[] = [
  { ids: [1, 2], text: "one two", reference: "three" },
  { ids: [4], text: "four", reference: null },
];
const tokenizer = new Tokenizer({ tokenizerJson: JSON.parse(wordTokenizer) });
const sft = findTask("sft");

interface Given {
  readonly options?: Partial<TrainCommandOptions>;
  readonly validation?: readonly object[];
  readonly prompts?: readonly SamplePrompt[];
  readonly task?: object;
  onStep?(report: StepReport): void;
}

/** Trains a small model with a constant rate, and records what is printed. */
async function train(given: Given = {}, signal: AbortSignal = new AbortController().signal) {
  const said: string[] = [];
  const steps: StepReport[] = [];
  const left: (number | undefined)[] = [];
  let ended = 0;
  const model = tinyLlama();
  model.setRequiresGrad(true);
  const options = {
    ...{ output, steps: 4, epochs: 1, accumulate: 1, logEvery: 1, schedule: "constant", warmupSteps: 0, seed: 0 },
    ...{ maxGradNorm: 1, ...given.options },
  };
  const context = {
    options,
    prepared: {
      ...{ data: { train: examples, first: examples, validation: given.validation ?? [] }, loaded: { tokenizer } },
      ...{ batching: { batchSize: 2, padTokenId: 0, maxLength: 16 }, steps: options.steps },
      evalEvery: options.evalEvery,
      task: { ...sft, ...given.task },
    },
    learner: { model, optimizer: { optimizer: "adamw", learningRate: 0.01, weightDecay: 0 } },
    prompts: given.prompts ?? [],
    voice: {
      ...{ note: (text: string) => said.push(text), say: (text: string) => said.push(text), metrics: () => {} },
      ...{ warn: () => {}, warnings: [], result: () => {} },
      step: (report: StepReport, seconds?: number) => {
        steps.push(report);
        left.push(seconds);
        given.onStep?.(report);
      },
      end: () => void ended++,
    },
    teacher: null,
  } as unknown as StepsContext;
  const run = await trainSteps(context, signal).catch((error) => {
    expect(ended).toBe(1);
    throw error;
  });
  expect(ended).toBe(1);
  const of = (is: (line: never) => boolean) =>
    run.log.lines.filter((line) => is(line as never)).map(({ step }) => step);
  return { run, said, steps, left, of };
}

test("each step has a line with its speed, and the file has the lines", async () => {
  const { run, steps, of } = await train();
  expect([of(isStep), run.stepSeconds.length, run.maxSteps]).toEqual([[1, 2, 3, 4], 4, 4]);
  expect([run.resumedFrom, run.interrupted, run.result.steps]).toEqual([null, null, 4]);
  const lines = steps.map(({ step, loss, learningRate, gradNorm, tokens, seconds }) => ({
    ...{ step, loss, learning_rate: learningRate, grad_norm: gradNorm, tokens_per_second: tokens / seconds },
    memory: expect.any(Number),
  }));
  expect(run.log.lines).toEqual(lines);
  expect(run.stepSeconds).toEqual(steps.map(({ seconds }) => seconds));
  expect(await readFile(join(output, "metrics.jsonl"), "utf8")).toBe(run.log.text);
  expect(await readdir(output)).toEqual(["metrics.jsonl"]);
});

test("lines, validations and answers come every so many steps, and at the end", async () => {
  const every = { logEvery: 3, evalEvery: 2, sampleEvery: 2 };
  const { run, left, of } = await train({ options: every, validation: examples.slice(0, 1), prompts });
  expect([of(isStep), of(isValidation), of(isSample)]).toEqual([
    [3, 4],
    [0, 2, 4],
    [0, 2, 4],
  ]);
  const [sample] = run.log.lines.filter(isSample);
  expect(sample.samples).toEqual([
    { prompt: "one two", answer: expect.any(String), reference: "three" },
    { prompt: "four", answer: expect.any(String) },
  ]);
  const [first] = run.log.lines.filter(isValidation);
  expect(Object.keys(first)).toEqual(["step", "eval_loss", "eval_perplexity"]);
  expect(first.eval_perplexity).toBeCloseTo(Math.exp(first.eval_loss), 4);
  // The last step leaves a validation and answers, which have taken time before.
  expect(left.every((seconds) => Number(seconds) > 0)).toBe(true);
  const odd = await train({ options: { ...every, steps: 5 }, prompts: prompts.slice(1) });
  expect([odd.of(isStep), odd.of(isSample), odd.of(isValidation)]).toEqual([[3, 5], [0, 2, 4, 5], []]);
  expect((await train({ options: every })).of(isSample)).toEqual([]);
  expect((await train({ prompts })).of(isSample)).toEqual([0, 4]);
});

test("a task has its own measures, and a perplexity only of the model's loss", async () => {
  const task = { lossOfModel: false, measure: async (_: object, some: unknown[]) => ({ count: some.length }) };
  const { run } = await train({ validation: examples.slice(0, 3), task });
  const [first] = run.log.lines.filter(isValidation);
  expect(first).toEqual({ step: 0, eval_loss: expect.any(Number), eval_count: 3 });
});

describe("checkpoints", () => {
  const history = (name: string) => readFile(join(output, name, "metrics.jsonl"), "utf8");

  test("hold the lines so far; those of an older run are removed", async () => {
    for (const name of ["checkpoint-7", "checkpoint-9"]) await mkdir(join(output, name));
    await mkdir(join(output, "checkpoint-x"));
    const { run, said } = await train({ options: { saveEvery: 2 } });
    expect((await readdir(output)).sort()).toEqual(["checkpoint-2", "checkpoint-4", "checkpoint-x", "metrics.jsonl"]);
    expect(said).toEqual([`removed from ${output}, of an older run: checkpoint-7, checkpoint-9`]);
    expect(await history("checkpoint-2")).toBe(run.log.text.split("\n").slice(0, 2).join("\n").concat("\n"));
    await mkdir(join(output, "limited/checkpoint-9"), { recursive: true });
    const limited = await train({ options: { saveEvery: 1, saveTotalLimit: 1, output: join(output, "limited") } });
    expect(limited.said).toEqual([`removed from ${join(output, "limited")}, of an older run: checkpoint-9`]);
    expect(
      (await train({ options: { saveEvery: 4, output: join(output, "limited"), resume: join(output, "limited") } }))
        .said,
    ).toEqual([`resumed from ${join(output, "limited/checkpoint-4")}, after step 4 of 4`]);
    expect((await readdir(join(output, "limited"))).sort()).toEqual(["checkpoint-4", "metrics.jsonl"]);
    await expect(train({ options: { saveTotalLimit: 1 } })).rejects.toThrow(
      "--save-total-limit needs --save-every; give --save-every too",
    );
  });

  test("of an interrupted run are resumed, to the same losses", async () => {
    const options = { saveEvery: 10 };
    const whole = await train({ options, prompts });
    await rm(output, { recursive: true });
    await mkdir(output);
    const controller = new AbortController();
    const reason = new Interrupted("SIGINT");
    const onStep = ({ step }: StepReport) => (step === 2 ? controller.abort(reason) : undefined);
    const stopped = await train({ options, prompts, onStep }, controller.signal);
    expect([stopped.run.interrupted, stopped.of(isStep), stopped.of(isSample)]).toEqual([reason, [1, 2], [0]]);
    const checkpoint = join(output, "checkpoint-2");
    for (const resume of [output, checkpoint]) {
      const { run, said, of } = await train({ options: { ...options, resume }, prompts });
      expect(said).toEqual([`resumed from ${checkpoint}, after step 2 of 4`]);
      expect([run.resumedFrom, of(isStep), of(isSample), run.stepSeconds.length]).toEqual([
        ...[checkpoint, [1, 2, 3, 4]],
        ...[[0, 4], 2],
      ]);
      const losses = (some: typeof run) => some.log.lines.filter(isStep).map(({ loss }) => loss);
      expect(losses(run)).toEqual(losses(whole.run));
      await rm(join(output, "checkpoint-4"), { recursive: true });
    }
    // A run that breaks at once still has the checkpoint from which it was resumed.
    const broken = () => {
      throw new OptionError("Trainer", "batchSize", 2, "is wrong");
    };
    const advice = `; ${checkpoint} holds what was trained until then: go on with --resume ${checkpoint}`;
    await expect(train({ options: { ...options, resume: output }, onStep: broken })).rejects.toThrow(
      `--batch-size is wrong${advice}`,
    );
    const elsewhere = { ...options, output: join(output, "elsewhere"), resume: output };
    await mkdir(elsewhere.output);
    await expect(train({ options: elsewhere, onStep: broken })).rejects.toThrow(/^--batch-size is wrong$/);
  });

  test("of another run, or of other options, are refused by the flag", async () => {
    await train({ options: { saveEvery: 2 } });
    await expect(train({ options: { saveEvery: 2, seed: 1, resume: output } })).rejects.toThrow(
      `--resume ${output} is of another run: `,
    );
    const allowed = await train({ options: { saveEvery: 2, seed: 1, resume: output, allowChanges: true } });
    expect(allowed.run.result.steps).toBe(4);
    const empty = join(output, "empty");
    await mkdir(empty);
    await expect(train({ options: { resume: empty } })).rejects.toThrow("trainer_state.json");
  });

  test("are the advice of a training that fails, if they are its own", async () => {
    await train({ options: { saveEvery: 4 } });
    const failing = (at: number, thrown: unknown = new OptionError("Trainer", "maxGradNorm", 1, "is broken")) => ({
      onStep: ({ step }: StepReport) => {
        if (step === at) throw thrown;
      },
    });
    await expect(train({ options: { saveEvery: 1 }, ...failing(1) })).rejects.toThrow(/^--max-grad-norm is broken$/);
    const kept = join(output, "checkpoint-1");
    const error = await train({ options: { saveEvery: 1 }, ...failing(2) }).catch((thrown) => thrown);
    expect([error.message, error.cause.message]).toEqual([
      `--max-grad-norm is broken; ${kept} holds what was trained until then: go on with --resume ${kept}`,
      "Trainer: maxGradNorm is broken",
    ]);
    await expect(train(failing(1, "a text"))).rejects.toBe("a text");
  });
});

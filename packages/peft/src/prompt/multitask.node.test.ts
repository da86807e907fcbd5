import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Generator, init, reference } from "@lowrank/core";
import { folderFiles } from "@lowrank/files";
import { beforeAll, describe, expect, it, onTestFinished } from "vitest";
import {
  MultitaskPromptTuningConfig,
  type MultitaskPromptTuningOptions,
} from "../methods/prompt/multitaskPromptTuning.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, type TinyOptions, train } from "../testing/tinyModel.ts";

beforeAll(() => init(reference()));

const base = (options: TinyOptions = {}) => new TinyModel({ attention: true, ...options }).eval();
const make = (options: Partial<MultitaskPromptTuningOptions> = {}) =>
  new MultitaskPromptTuningConfig({ numVirtualTokens: 2, numRanks: 2, ...options });
const numbers = (peft: PeftModel<TinyModel>, key: string) => [...peft.adapterTensors().get(key)!.dataSync()];

/** Saves an adapter of three tasks, and returns its folder with its values. */
async function source() {
  const folder = await mkdtemp(join(tmpdir(), "multitask-"));
  onTestFinished(() => rm(folder, { recursive: true }));
  const peft = await getPeftModel(base({ taskIds: [2, 1] }), make({ numTasks: 3 }));
  train(peft);
  await peft.savePretrained(folder);
  const [rows, cols] = [numbers(peft, "prefix_task_rows"), numbers(peft, "prefix_task_cols")];
  const path = `${folder}/adapter_model.safetensors`;
  return { folder, path, shared: numbers(peft, "prompt_embeddings"), rows, cols };
}

describe("an adapter that starts from another one", () => {
  it("takes the factors of one task", async () => {
    const { path, shared, rows, cols } = await source();
    const config = make({
      ...{ promptTuningInit: "EXACT_SOURCE_TASK", promptTuningInitTask: 2, promptTuningInitStateDictPath: path },
    });
    const peft = await getPeftModel(base(), config);
    expect(numbers(peft, "prompt_embeddings")).toEqual(shared);
    expect(numbers(peft, "prefix_task_rows")).toEqual(rows.slice(24, 36));
    expect(numbers(peft, "prefix_task_cols")).toEqual(cols.slice(8, 12));
  });

  it("takes the mean of the tasks' factors", async () => {
    const { path, rows, cols } = await source();
    const config = make({ promptTuningInit: "AVERAGE_SOURCE_TASKS", promptTuningInitStateDictPath: path });
    const peft = await getPeftModel(base(), config);
    const mean = (all: number[], i: number) => [0, 1, 2].reduce((sum, t) => sum + all[(t * all.length) / 3 + i], 0) / 3;
    for (const [i, x] of numbers(peft, "prefix_task_rows").entries()) expect(x).toBeCloseTo(mean(rows, i), 6);
    for (const [i, x] of numbers(peft, "prefix_task_cols").entries()) expect(x).toBeCloseTo(mean(cols, i), 6);
  });

  it("takes the shared tokens alone, for any number of tasks", async () => {
    const { path, shared, rows } = await source();
    const config = make({
      ...{ promptTuningInit: "ONLY_SOURCE_SHARED", numTasks: 4, numRanks: 1, promptTuningInitStateDictPath: path },
    });
    const peft = await getPeftModel(base({ taskIds: [3] }), config, { generator: new Generator(7) });
    expect(numbers(peft, "prompt_embeddings")).toEqual(shared);
    expect(peft.adapterTensors().get("prefix_task_cols")!.shape).toEqual([4, 2, 1]);
    for (const x of numbers(peft, "prefix_task_rows")) {
      expect(rows).not.toContain(x);
      expect(Math.abs(x)).toBeLessThan(0.1);
    }
  });

  it("is refused with what does not fit", async () => {
    const { path, folder } = await source();
    const start = (options: Partial<MultitaskPromptTuningOptions>) =>
      getPeftModel(base(), make({ promptTuningInit: "EXACT_SOURCE_TASK", ...options }));
    const promptTuningInitStateDictPath = path;
    await expect(start({})).rejects.toThrow(
      'promptTuningInitStateDictPath is null; it must be set, since promptTuningInit is "EXACT_SOURCE_TASK"',
    );
    await expect(start({ promptTuningInitStateDictPath, promptTuningInitTask: 3 })).rejects.toThrow(
      "promptTuningInitTask is 3; it must be below 3, the number of tasks in the source adapter",
    );
    await expect(start({ promptTuningInitStateDictPath, numTasks: 2 })).rejects.toThrow(
      "gives prefix_task_cols as [1,2,2], not [2,2,2]",
    );
    await expect(start({ promptTuningInitStateDictPath: `${folder}/none.safetensors` })).rejects.toThrow(
      "none.safetensors",
    );
  });

  it("loads although the other one is gone", async () => {
    const { path, folder } = await source();
    const config = make({ promptTuningInit: "EXACT_SOURCE_TASK", promptTuningInitStateDictPath: path });
    const peft = await getPeftModel(base(), config);
    const files = await peft.adapterFiles();
    await rm(path);
    const again = await PeftModel.fromPretrained(base(), files, { isTrainable: true });
    expect(await logitBits(again)).toEqual(await logitBits(peft));
    expect(train(again)).toEqual(train(peft));
    expect(await (await folderFiles(folder)).has("adapter_model.safetensors")).toBe(false);
  });
});

describe("tasks of a batch", () => {
  const peftOf = (taskIds?: readonly number[]) => getPeftModel(base({ taskIds }), make({ numTasks: 3 }));

  it("select the factors of each row", async () => {
    const logits = async (taskIds: number[]) => {
      const peft = await peftOf(taskIds);
      const bits = await logitBits(peft);
      return [bits.slice(0, bits.length / 2), bits.slice(bits.length / 2)];
    };
    const [mixed, ones] = [await logits([2, 1]), await logits([1, 1])];
    expect(mixed[1]).toEqual(ones[1]);
    expect(mixed[0]).not.toEqual(ones[0]);
  });

  it.each([
    [undefined, "the adapter has 3 tasks, and the batch has no taskIds; give the task of each row, from 0 to 2"],
    [[0, 3], "taskIds has 3; expected a whole number from 0 to 2"],
    [[-1], "taskIds has -1"],
    [[0.5], "taskIds has 0.5"],
  ])("%j is refused", async (taskIds, message) => {
    await expect(logitBits(await peftOf(taskIds as number[] | undefined))).rejects.toThrow(message);
  });

  it("must be as many as the rows", async () => {
    const { virtualTokens } = (await peftOf()).baseModel;
    expect(() => virtualTokens!.rows({ size: 2, taskIds: [0] })).toThrow("taskIds has 1 elements for 2 rows");
    const alone = await getPeftModel(base(), make());
    expect(() => alone.baseModel.virtualTokens!.rows({ size: 1, taskIds: [1] })).toThrow(
      "taskIds has 1; expected 0, the adapter's only task",
    );
  });

  it("train only the factors of their tasks", async () => {
    const peft = await peftOf([2]);
    const before = numbers(peft, "prefix_task_rows");
    train(peft);
    const after = numbers(peft, "prefix_task_rows");
    expect(after.slice(0, 24)).toEqual(before.slice(0, 24));
    expect(after.slice(24)).not.toEqual(before.slice(24));
  });
});

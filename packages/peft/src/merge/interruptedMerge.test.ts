import { init, memory, reference, scope } from "@lowrank/core";
import { afterEach, beforeAll, expect, test, vi } from "vitest";
import { LoraConfig } from "../methods/lora/loraConfig.ts";
import { getPeftModel } from "../peftModel/getPeftModel.ts";
import { PeftModel } from "../peftModel/peftModel.ts";
import { logitBits, TinyModel, tinyBatch } from "../testing/tinyModel.ts";

const config = new LoraConfig({
  ...{ r: 2, targetModules: ["up", "down"], initLoraWeights: false, modulesToSave: ["lm_head"] },
});
const adapted = async () => (await getPeftModel(new TinyModel().eval(), config, { onWarning: () => {} })).eval();

/**
 * Calls `probe` at every point where the code may yield, which is where it reads the clock. The mocked clock advances
 * enough for it to yield. Returns a function that ends the mock and returns the number of calls.
 */
function atEachTurn(probe: (turn: number) => void): () => number {
  const now = performance.now.bind(performance);
  let turns = 0;
  const spy = vi.spyOn(performance, "now").mockImplementation(() => {
    const start = now();
    while (now() - start < 17);
    probe(turns++);
    return now();
  });
  return () => {
    spy.mockRestore();
    return turns;
  };
}

beforeAll(() => init(reference()));
afterEach(() => vi.restoreAllMocks());

test.each(["mergeAdapter", "mergeAndUnload"] as const)(
  "%s: the model answers as before all the while, and refuses changes",
  async (merge) => {
    const peft = await adapted();
    const model = peft.baseModel;
    const logits = () => scope(() => model.forward(tinyBatch())).logits.dataSync();
    const before = logits();
    const answers: Promise<string>[] = [];
    const end = atEachTurn(() => {
      expect(Math.max(...logits().map((x, i) => Math.abs(x - before[i])))).toBeLessThan(1e-5);
      const adding = peft.addAdapter("late", config);
      answers.push(
        adding.then(
          () => "added",
          ({ message }) => message,
        ),
      );
    });
    await peft[merge]();
    expect(end()).toBeGreaterThan(4);
    const refused = "cannot add an adapter while adapters are being merged; await that first";
    expect(new Set(await Promise.all(answers))).toEqual(new Set([refused]));
  },
);

test("an aborted merge leaves model, adapters and memory as they were", async () => {
  const peft = await adapted();
  const before = await logitBits(peft);
  for (const merge of ["mergeAdapter", "mergeAndUnload"] as const) {
    const { buffers } = memory();
    const controller = new AbortController();
    const end = atEachTurn((turn) => turn === 2 && controller.abort());
    await expect(peft[merge]({ signal: controller.signal })).rejects.toHaveProperty("name", "AbortError");
    end();
    expect(memory().buffers).toBeLessThanOrEqual(buffers);
    expect(peft.isMerged).toBe(false);
    expect([...peft.peftConfig.keys()]).toEqual(["default"]);
    expect(await logitBits(peft)).toEqual(before);
  }
  await peft.mergeAdapter();
  expect(peft.isMerged).toBe(true);
});

test("an adapter tells its progress as it is loaded, and is not there if that is aborted", async () => {
  const files = await (await adapted()).adapterFiles();
  const loaded: { loaded: number; total: number; name: string }[] = [];
  const model = new TinyModel().eval();
  await PeftModel.fromPretrained(model, files, { onProgress: (progress) => loaded.push(progress) });
  expect(loaded.length).toBe(9);
  expect(loaded.at(-1)).toMatchObject({ loaded: loaded[0].total });
  expect(loaded[0].name).toMatch(/^base_model\.model\.layers\.0\.up\.lora_A\.weight/);

  const other = new PeftModel(new TinyModel().eval());
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  const loading = other.loadAdapter(files, "default", { onProgress, signal: controller.signal });
  await expect(loading).rejects.toHaveProperty("name", "AbortError");
  expect([...other.peftConfig.keys()]).toEqual([]);
  const adding = getPeftModel(new TinyModel(), config, { signal: AbortSignal.abort() });
  await expect(adding).rejects.toHaveProperty("name", "AbortError");
});

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { adapterStore, createEngine, folderPlace } from "@lowrank/serve";
import { dequantize, filesIn, Generator, memoryFiles, type PeftConfig, PeftModel, quantize, Trainer } from "lowrank";
import { setAdapterValues } from "lowrank/testing";
import { adapted, logitsOf, quiet, rows, smallModel, smallTokenizer } from "./subjects.ts";

/**
 * Tries an action with a configuration on the small model. Throws the library's error if the method cannot do it, and
 * `WrongResult` if the action gives wrong outputs. `bias` is false for a model without biases.
 */
type Action = (config: PeftConfig, bias?: boolean) => Promise<void>;

function expectSame(found: Float32Array, expected: Float32Array, what: string, tolerance = 0): void {
  if (found.length !== expected.length)
    throw new WrongResult(`${what}: ${found.length} logits, not ${expected.length}`);
  const largest = expected.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
  const difference = found.reduce((most, x, i) => Math.max(most, Math.abs(x - expected[i])), 0);
  if (!(difference <= tolerance * largest))
    throw new WrongResult(`${what}: logits differ by ${difference} of ${largest}`);
}

function expectOther(found: Float32Array, other: Float32Array, what: string): void {
  if (found.length === other.length && found.every((x, i) => Math.abs(x - other[i]) < 1e-2)) {
    throw new WrongResult(`${what}: the logits do not differ`);
  }
}

/** Thrown if an action works, but gives a wrong result. */
export class WrongResult extends Error {
  override readonly name = "WrongResult";
}

const rounding = 2e-4;

const merge: Action = async (config, bias) => {
  const peft = await adapted(config, 1, smallModel(bias));
  const live = logitsOf(peft);
  expectOther(live, logitsOf(smallModel(bias)), "the adapter");
  await peft.mergeAdapter();
  expectSame(logitsOf(peft), live, "merged", rounding);
  peft.unmergeAdapter();
  expectSame(logitsOf(await peft.mergeAndUnload()), live, "merged and unloaded", rounding);
};

const unmerge: Action = async (config, bias) => {
  const peft = await adapted(config, 1, smallModel(bias));
  const live = logitsOf(peft);
  const base = peft.disableAdapter(() => logitsOf(peft));
  await peft.mergeAdapter();
  peft.unmergeAdapter();
  expectSame(logitsOf(peft), live, "unmerged");
  expectSame(logitsOf(peft.unload()), base, "unloaded");
};

const mixedBatch: Action = async (config) => {
  const peft = await adapted(config, 1);
  const mixes = "adapters" in config;
  if (!mixes) {
    await peft.addAdapter("second", config, { generator: new Generator(2) });
    setAdapterValues(peft, { kind: "normal", seed: 2 }, "second");
  }
  const names = ["default", mixes ? "default" : "second", "__base__"];
  const mixed = peft.withAdapterNames(names, () => logitsOf(peft));
  const size = mixed.length / rows.length;
  const alone = names.map((name, i) => {
    if (name === "__base__") return peft.disableAdapter(() => logitsOf(peft, [rows[i]]));
    peft.setAdapter(name);
    return logitsOf(peft, [rows[i]]);
  });
  expectOther(alone[0], logitsOf(smallModel(), [rows[0]]), "the adapter");
  for (const [i, one] of alone.entries()) {
    expectSame(mixed.subarray(i * size, (i + 1) * size), one, `row ${i} with ${names[i]}`, rounding);
  }
};

const examples = rows.map((row) => ({ inputIds: [...row, 7], labels: [...row, 7], taskId: 0 }));
const training = { padTokenId: 0, learningRate: 2e-2, batchSize: 3, maxSteps: 4, warmupSteps: 0, ...quiet };

const quantizedBase: Action = async (config) => {
  const model = smallModel();
  await quantize(model, { quantType: "nf4" });
  const peft = await adapted(config, 1, model);
  const live = logitsOf(peft);
  const wide = smallModel();
  await quantize(wide, { quantType: "nf4" });
  await dequantize(wide);
  expectSame(live, logitsOf(await adapted(config, 1, wide)), "on the base in 4 bits", 5e-3);
  await trainsOn(peft);
};

/** Throws unless training lowers the loss. */
export async function trainsOn(peft: Awaited<ReturnType<typeof adapted>>): Promise<void> {
  const { losses } = await new Trainer(peft, examples, { ...training, maxSteps: 12 }).train();
  const last = losses[losses.length - 1];
  if (!(last < losses[0])) throw new WrongResult(`the loss went from ${losses[0]} to ${last}`);
}

const save: Action = async (config) => {
  const peft = await adapted(config, 1);
  const live = logitsOf(peft);
  const files = await peft.adapterFiles();
  expectSame(logitsOf(await PeftModel.fromPretrained(smallModel(), files, quiet)), live, "loaded");
};

const resume: Action = async (given) => {
  // Dropout, so that the generators of random numbers must continue too.
  const fields = Object.entries(given).flatMap(([key, value]) =>
    /dropout/i.test(key) && typeof value === "number" ? [key] : [],
  );
  const deep = "xloraDepth" in given ? { xloraDepth: 2, xloraSize: 8 } : {};
  const config = given.with({ ...Object.fromEntries(fields.map((field) => [field, 0.3])), ...deep });
  const run = memoryFiles();
  const whole = await adapted(config);
  await new Trainer(whole, examples, { ...training, checkpoints: { folder: run, every: 2 } }).train();
  const peft = await adapted(config);
  const start = logitsOf(peft);
  const trainer = new Trainer(peft, examples, training);
  const step = await trainer.resume(filesIn(run, "checkpoint-2"));
  if (step !== 2) throw new WrongResult(`resumed at step ${step}`);
  await trainer.train();
  expectSame(logitsOf(peft.eval()), logitsOf(whole.eval()), "resumed");
  expectOther(logitsOf(peft), start, "training");
};

const hotSwap: Action = async (config) => {
  const [peft, other] = [await adapted(config, 1), await adapted(config, 2)];
  const expected = logitsOf(other);
  expectOther(logitsOf(peft), expected, "two adapters");
  await peft.hotswapAdapter(await other.adapterFiles());
  expectSame(logitsOf(peft), expected, "swapped");
};

const serving: Action = async (config) => {
  const root = await mkdtemp(join(tmpdir(), "lowrank-matrix-"));
  try {
    const peft = await adapted(config, 1);
    await peft.savePretrained(join(root, "own"));
    const tokenizer = smallTokenizer();
    const prompt = [...rows[0]];
    const engine = await createEngine({
      ...{ model: smallModel(), tokenizer, servedModelName: "small" },
      adapters: adapterStore({ place: folderPlace(root), maxAdapterBytes: 1e7 }),
    });
    try {
      const ask = async (adapter: string | null) => {
        const request = { id: `${adapter}`, prompt: { tokens: prompt }, adapter, tenant: "one", taskId: 0 };
        for await (const event of engine.generate({
          ...request,
          sampling: { temperature: 0 },
          maxNewTokens: 1,
          logprobs: 20,
        })) {
          if (event.type === "token") return event.logprob!.top;
        }
        throw new WrongResult("no token was served");
      };
      const [own, base] = await Promise.all([ask("own"), ask(null)]);
      const logs = logSoftmax(logitsOf(peft, [prompt]).slice(-tokenizer.vocabSize));
      const [served, expected] = [own.map(({ logprob }) => logprob!), own.map(({ token }) => logs[token])];
      expectSame(Float32Array.from(served), Float32Array.from(expected), "served", rounding);
      const plain = base.map(({ logprob }) => logprob!);
      expectOther(Float32Array.from(plain), Float32Array.from(served), "the base model in the same batch");
    } finally {
      await engine.close();
    }
  } finally {
    await rm(root, { recursive: true });
  }
};

function logSoftmax(logits: Float32Array): Float32Array {
  const most = Math.max(...logits);
  const total = Math.log(logits.reduce((sum, x) => sum + Math.exp(x - most), 0));
  return logits.map((x) => x - most - total);
}

/** A column of the matrix: its title, the code of the error of methods that cannot do it, and the attempt. */
export interface Column {
  readonly title: string;
  readonly code: string;
  readonly action: Action;
}

/** All columns. */
export const columns: readonly Column[] = [
  { title: "merge", code: "not_mergeable", action: merge },
  { title: "unmerge", code: "not_mergeable", action: unmerge },
  { title: "mixed batch", code: "not_by_row", action: mixedBatch },
  { title: "QLoRA base", code: "needs_full_weights", action: quantizedBase },
  { title: "save", code: "not_savable", action: save },
  { title: "resume", code: "not_resumable", action: resume },
  { title: "hot swap", code: "not_swappable", action: hotSwap },
  { title: "serving", code: "adapter_refused", action: serving },
];

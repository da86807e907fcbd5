// LoRA on stories260K and tinyshakespeare: a whole training run in Lowrank and in PyTorch with PEFT. They run in
// alternating fresh processes, with the same blocks and the same initial adapter, on one thread each.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { ensureEnvironment, pythonVariables } from "@lowrank/conformance/environment";
import { Generator, init, reference, writeSafetensors } from "@lowrank/core";
import { writeFolder } from "@lowrank/files";
import { loadModel } from "@lowrank/models";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { sharedPath } from "@lowrank/test-support/folders";
import { blocks, type TokenizedExample } from "@lowrank/train";
import { compiledChild } from "./lib/lineServer.ts";
import { machine, median, printTable } from "./lib/measure.ts";
import type { StoriesResult } from "./lib/storiesRun.ts";

const ROUNDS = 3;
const STEPS = 78;
const BATCH = 8;
const BLOCK = 128;
const VALIDATION_TOKENS = 20_000;

const run = promisify(execFile);

/**
 * Returns token blocks: training blocks drawn from the first 90 % of the text, and validation blocks from the start of
 * the rest.
 */
async function makeBlocks(model: string, text: string): Promise<Uint8Array> {
  const { tokenizer } = await loadModel(model);
  const ids = tokenizer?.encode(text, { addSpecialTokens: false }) ?? [];
  const border = Math.floor(0.9 * ids.length);
  const cut = (part: number[]) => blocks(part, { blockSize: BLOCK, bosTokenId: 1, dropLast: true });
  const training = cut(ids.slice(0, border));
  const order = new Generator(0).permutation(training.length).subarray(0, STEPS * BATCH);
  const pack = (name: string, rows: TokenizedExample[]) => {
    const data = Int32Array.from(rows.flatMap(({ inputIds }) => inputIds));
    return { name, dtype: "i32" as const, shape: [rows.length, BLOCK], bytes: new Uint8Array(data.buffer) };
  };
  const train = Array.from(order, (i) => training[i] as TokenizedExample);
  const validation = cut(ids.slice(border, border + VALIDATION_TOKENS));
  return writeSafetensors([pack("train", train), pack("validation", validation)]);
}

export async function bench(): Promise<void> {
  const model = sharedPath("models/stories260K-hf", "the stories benchmark");
  const text = sharedPath("data/tinyshakespeare.txt", "the stories benchmark");
  if (!model || !text) return console.log(JSON.stringify({ stories: {} }));
  await init(reference());
  const folder = await mkdtemp(join(tmpdir(), "lowrank-stories-"));
  try {
    const file = join(folder, "blocks.safetensors");
    const adapter = join(folder, "adapter");
    await writeFolder(folder, new Map([["blocks.safetensors", await makeBlocks(model, await readFile(text, "utf8"))]]));
    const { model: base } = await loadModel(model);
    const config = new LoraConfig({ r: 8, loraAlpha: 16, targetModules: "all-linear", taskType: "CAUSAL_LM" });
    await (await getPeftModel(base, config)).savePretrained(adapter);
    const task = JSON.stringify({ model, blocks: file, adapter, threads: 1 });

    const environment = await ensureEnvironment();
    const contestants: Record<string, [command: string, ...args: string[]]> = {
      lowrank: [process.execPath, ...(await compiledChild("lib/storiesRun"))],
    };
    if (environment.python) {
      contestants.pytorch = [environment.python, join(import.meta.dirname, "../conformance/python/train_stories.py")];
    } else {
      console.log(`absent: PyTorch with PEFT (${environment.skipped})`);
    }
    const results = new Map<string, StoriesResult[]>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const [name, [command, ...args]] of Object.entries(contestants)) {
        const { stdout } = await run(command, [...args, task], { env: { ...process.env, ...pythonVariables } });
        const result = JSON.parse(stdout.trim().split("\n").at(-1) ?? "") as StoriesResult;
        results.set(name, [...(results.get(name) ?? []), result]);
      }
    }
    report(results);
  } finally {
    await rm(folder, { recursive: true });
  }
}

function report(results: Map<string, StoriesResult[]>): void {
  console.log(
    `${STEPS} steps of [${BATCH}, ${BLOCK}], LoRA r 8 on all linear layers, one thread, ${ROUNDS} processes each`,
  );
  console.log(machine());
  const figures = [...results].map(([name, runs]) => ({
    name,
    validation: runs[0]?.validation ?? { before: Number.NaN, after: Number.NaN },
    step: median(runs.map(({ stepSeconds }) => stepSeconds.median)),
    best: Math.min(...runs.map(({ stepSeconds }) => stepSeconds.best)),
    peak: median(runs.map(({ peakBytes }) => peakBytes)),
  }));
  const tokens = BATCH * BLOCK;
  printTable(
    ["", "nats before", "after", "step ms", "best", "tokens/s", "peak MB"],
    figures.map(({ name, validation, step, best, peak }) => [
      name,
      validation.before.toFixed(4),
      validation.after.toFixed(4),
      (1000 * step).toFixed(1),
      (1000 * best).toFixed(1),
      (tokens / step).toFixed(0),
      (peak / 1e6).toFixed(0),
    ]),
  );
  const [ours, theirs] = figures;
  const ratios = ours && theirs ? { speed: theirs.step / ours.step, memory: ours.peak / theirs.peak } : {};
  const round = (x: number) => Number(x.toPrecision(4));
  console.log(
    JSON.stringify({
      stories: {
        tokensPerSecond: round(tokens / (ours?.step ?? Number.NaN)),
        validationAfter: round(ours?.validation.after ?? Number.NaN),
        ...Object.fromEntries(Object.entries(ratios).map(([key, value]) => [key, round(value)])),
      },
    }),
  );
}

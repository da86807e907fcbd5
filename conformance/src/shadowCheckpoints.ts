import { join } from "node:path";
import { noGrad, slice, type Tensor } from "@lowrank/core";
import { type CausalLM, loadModel, type ModelConfig, saveModel } from "@lowrank/models";
import { getPeftModel, PeftModel, ShadowConfig, shadowModel } from "@lowrank/peft";
import { asTensors, type Batch } from "./batch.ts";
import { compare, type Findings, type Results, usualTolerances } from "./compare.ts";
import { measure, type PackedTensors, train, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

type Answers = { tensors: PackedTensors };

/** PEFT's options in the checks, and the kind of checkpoint; null for a mirror. */
const cases = [
  { kind: null, config: { r: 3, shadow_alpha: 1, shadow_num_hidden_layers: 2 } },
  { kind: null, config: { r: 3, shadow_alpha: 1, shadow_hidden_size: 24, shadow_num_attention_heads: 2 } },
  { kind: "same size", config: { r: 2, shadow_alpha: 1, auxiliary_loss_weight: 0.5 } },
  { kind: "small", config: { r: 2, shadow_alpha: 1 } },
  { kind: "projected", config: { r: 4, shadow_alpha: 2, update_hidden_size: 5 } },
] as const;

const floats = async (x: Tensor): Promise<Float32Array> => (await x.data()) as Float32Array;

/** Returns what PEFT's `answers` returns: values of a batch, with a cache, and of the second decoder alone. */
async function ourAnswers(peft: PeftModel<CausalLM>, inputs: ReturnType<typeof asTensors>): Promise<Results> {
  const { inputIds } = inputs;
  const results = await measure(peft as never, inputs);
  const T = inputIds.shape[1];
  const cache = peft.baseModel.createCache(inputIds.shape[0], T);
  const part = (start: number, end: number) =>
    noGrad(() => peft.forward({ inputIds: slice(inputIds, { dim: 1, start, end }), cache })).logits;
  part(0, T - 3);
  const steps = [part(T - 3, T - 2), part(T - 2, T - 1), part(T - 1, T)];
  const rows = await Promise.all(steps.map(floats));
  results.set("logits.stepped", byRow(rows, inputIds.shape[0]));
  const alone = await shadowModel(peft).unloadShadow();
  return results.set("logits.alone", await floats(noGrad(() => alone.forward({ inputIds })).logits));
}

/** Returns the config of a model that `unloadShadow` returned. */
const copyConfig = (model: CausalLM): ModelConfig => (model as unknown as { config: ModelConfig }).config;

/** Joins logits [B, 1, V] of several steps to [B, steps, V]. */
function byRow(steps: readonly Float32Array[], rows: number): Float32Array {
  const width = steps[0].length / rows;
  const all = Array.from({ length: rows }, (_, row) =>
    steps.flatMap((logits) => [...logits.subarray(row * width, (row + 1) * width)]),
  );
  return Float32Array.from(all.flat());
}

/**
 * Checks Shadow with mirrors and with checkpoints of PEFT, in both directions: values of a batch, values with the cache
 * of both decoders, values of the second decoder alone, and a copy of it that transformers loads.
 */
export async function shadowCheckpoints(
  python: Python,
  { base, decoders, batch: inputs }: { base: string; decoders: Record<"same" | "small", string>; batch: Batch },
): Promise<Findings> {
  const [differences, problems]: [Findings["differences"], string[]] = [new Map(), []];
  const add = (label: string, found: Findings) => {
    for (const [name, difference] of found.differences) differences.set(`${name}.${label}`, difference);
    problems.push(...found.problems.map((problem) => `${label}: ${problem}`));
  };
  const given = asTensors(inputs);
  for (const [i, { kind, config }] of cases.entries()) {
    const out = `${base}-shadow${i}`;
    const decoder = kind === null ? null : decoders[kind === "same size" ? "same" : "small"];
    const request = { base, decoder, config, projected: kind === "projected", inputs, seed: i, out };
    type Made = Answers & { started: PackedTensors[string]; counts: [number, number] };
    const theirs = await python.ask<Made>("shadow_checkpoint", request);
    const load = async (folder: string) => {
      const { model } = await loadModel(base);
      return PeftModel.fromPretrained(model, folder, { isTrainable: true, onWarning: () => {} });
    };
    const peft = await load(join(out, "theirs"));
    peft.eval();
    add(`theirs${i}`, compare(await ourAnswers(peft, given), unpack(theirs.tensors), usualTolerances));
    const { trainable, all } = peft.getNbTrainableParameters();
    if ([trainable, all].join() !== theirs.counts.join()) {
      problems.push(`counts ${[trainable, all]} and PEFT's ${theirs.counts}`);
    }
    // Without a random projection, new adapters have the same second decoder.
    if (kind === "same size" || kind === "projected") {
      const { model } = await loadModel(base);
      const fresh = await getPeftModel(
        model,
        new ShadowConfig({ taskType: "CAUSAL_LM", shadowModel: join(out, "shadow") }),
      );
      const alone = await shadowModel(fresh).unloadShadow();
      const logits = await floats(noGrad(() => alone.forward({ inputIds: given.inputIds })).logits);
      const started = unpack({ logits: theirs.started });
      add(`started${i}`, compare(new Map([["logits", logits]]), started, usualTolerances));
    }
    await train(peft as never, given, { steps: 2, lr: 5e-3 });
    await peft.savePretrained(join(out, "ours"));
    const found = await python.ask<Answers>("shadow_apply", { base, adapter: join(out, "ours"), inputs });
    const answers = await ourAnswers(peft, given);
    add(`ours${i}`, compare(answers, unpack(found.tensors), usualTolerances));
    const copy = await shadowModel(peft).unloadShadow({ copy: true });
    await saveModel(copy, copyConfig(copy), join(out, "copy"));
    const copied = await python.ask<Answers>("plain_logits", { folder: join(out, "copy"), inputs });
    const alone = new Map([["logits", answers.get("logits.alone")!]]);
    add(`copy${i}`, compare(alone, unpack(copied.tensors), usualTolerances));
  }
  return { differences, problems };
}

import { join } from "node:path";
import { loadModel } from "@lowrank/models";
import { PeftModel, xloraModel } from "@lowrank/peft";
import { asTensors, type Batch } from "./batch.ts";
import { compare, type Findings, type Results, type Tolerances, usualTolerances } from "./compare.ts";
import { measure, type PackedTensors, train, unpack } from "./measure.ts";
import type { Python } from "./python.ts";

/** Options in PEFT's spelling. */
type Fields = Readonly<Record<string, unknown>>;

/** One X-LoRA adapter over LoRA adapters of PEFT. */
export interface Mixture {
  /** Folder of the base model. */
  base: string;
  batch: Batch;
  /** The options of each expert. */
  experts: readonly Fields[];
  /** The options of X-LoRA. */
  config: Fields;
  seed: number;
  /** An empty folder. */
  out: string;
}

/**
 * Results of PEFT in float64 and in float32. `spread` is how far each result moves, relative to its largest element, if
 * all weights move by half a unit in the last place of float32.
 */
interface Exact {
  tensors: PackedTensors;
  single: PackedTensors;
  spread: Readonly<Record<string, number>>;
}

/**
 * Factor of the spread that is allowed. Large scalings saturate attention, so that rounding grows: the spread of logits
 * is 3e-6 on most models, and 2e-4 on some. Both programs have errors of up to 5 times the spread, and
 * Lowrank's is larger on about half of the models.
 */
const ofSpread = 6;

/** The options of X-LoRA in the fixed checks. */
const cases: readonly Fields[] = [
  { xlora_depth: 1 },
  { xlora_depth: 2, xlora_size: 12, layerwise_scalings: true, top_k_lora: 2, global_scaling_weight: 1.5 },
  { xlora_depth: 3, xlora_size: 9, xlora_dropout_p: 0, softmax_temperature: 0.5, scaling_pass_value: 0.3 },
  { layerwise_scalings: true, top_k_lora: 2, enable_softmax_topk: true, use_trainable_adapters: true },
  { enable_softmax: false, scaling_pass_value: -0.2, use_trainable_adapters: true },
];

/** PEFT's gradients of the experts have the experts' names, and are compared in xlora.test.ts. */
async function ourAnswers(peft: PeftModel, inputs: ReturnType<typeof asTensors>): Promise<Results> {
  const found = await measure(peft as never, inputs);
  const results = new Map([...found].filter(([name]) => !name.includes(".lora_")));
  const scalings = xloraModel(peft).getLatestScalings()!;
  return results.set("logits.scalings", (await scalings.data()) as Float32Array);
}

/**
 * Compares results with PEFT's in float64, or in float32 if those agree better: `enableSoftmaxTopk` leaves out scalings
 * of zero, and a saturated softmax is zero in float32 alone.
 */
function compareExact(ours: Results, exact: Exact): Findings {
  const wide = compareWith(ours, unpack(exact.tensors), exact.spread);
  if (wide.problems.length === 0) return wide;
  const single = compareWith(ours, unpack(exact.single), exact.spread);
  return single.problems.length < wide.problems.length ? single : wide;
}

/** Compares each result. Rounding of float32 may move it by a multiple of its spread. */
function compareWith(ours: Results, theirs: Results, spread: Exact["spread"]): Findings {
  const found: Findings = { differences: new Map(), problems: [] };
  for (const name of new Set([...ours.keys(), ...theirs.keys()])) {
    const kind = name.split(".")[0] as keyof Tolerances;
    const tolerance = Math.max(usualTolerances[kind], ofSpread * (spread[name] ?? 0));
    const only = (results: Results) => new Map([...results].filter(([key]) => key === name));
    const { differences, problems } = compare(only(ours), only(theirs), { ...usualTolerances, [kind]: tolerance });
    for (const [key, value] of differences)
      found.differences.set(key, Math.max(value, found.differences.get(key) ?? 0));
    found.problems.push(...problems);
  }
  return found;
}

/**
 * Checks an X-LoRA adapter: in Lowrank with PEFT's experts and classifier, and in PEFT with the files that Lowrank
 * writes after two steps of training. Also checks that a file without some of the classifier's tensors, as PEFT's
 * `save_pretrained` writes it, is refused.
 */
export async function xloraMixture(python: Python, mixture: Mixture): Promise<Findings> {
  const { base, batch, experts, config, seed, out } = mixture;
  const [differences, problems]: [Findings["differences"], string[]] = [new Map(), []];
  const add = (label: string, found: Findings) => {
    for (const [name, difference] of found.differences) differences.set(`${name}.${label}`, difference);
    problems.push(...found.problems.map((problem) => `${label}: ${problem}`));
  };
  const inputs = asTensors(batch);
  const request = { base, options: experts, config: { task_type: "CAUSAL_LM", ...config }, inputs: batch, seed, out };
  const theirs = await python.ask<Exact>("xlora_experts", request);
  const load = async (folder: string) => {
    const { model } = await loadModel(base);
    return PeftModel.fromPretrained(model, folder, { isTrainable: true, onWarning: () => {} });
  };
  const refused = await load(join(out, "saved")).then(
    () => "nothing",
    (error: Error) => error.message,
  );
  // PEFT drops some tensors of the classifier, or all.
  if (!/missing: base_model\.|more than the 0 values/.test(refused)) problems.push(`PEFT's own file gives ${refused}`);
  const peft = await load(join(out, "whole"));
  peft.eval();
  add("theirs", compareExact(await ourAnswers(peft, inputs), theirs));
  await train(peft as never, inputs, { steps: 2, lr: 5e-3 });
  const adapter = join(out, "ours");
  await peft.savePretrained(adapter);
  const asked = { base, adapter, experts: experts.length, inputs: batch };
  add("ours", compareExact(await ourAnswers(peft, inputs), await python.ask<Exact>("xlora_apply", asked)));
  return { differences, problems };
}

/** Checks X-LoRA with fixed options over three experts, in both directions. */
export async function xloraExperts(
  python: Python,
  { base, batch, hidden }: { base: string; batch: Batch; hidden: number },
): Promise<Findings> {
  const [differences, problems]: [Findings["differences"], string[]] = [new Map(), []];
  const experts = [
    { r: 4, lora_alpha: 3, target_modules: ["q_proj", "v_proj", "down_proj"] },
    { r: 2, lora_alpha: 6, target_modules: ["q_proj", "up_proj"], use_rslora: true },
    { r: 3, lora_alpha: 4, target_modules: ["v_proj", "embed_tokens"] },
  ];
  for (const [seed, fields] of cases.entries()) {
    const config = { hidden_size: hidden, ...fields };
    const found = await xloraMixture(python, { base, batch, experts, config, seed, out: `${base}-xlora${seed}` });
    for (const [name, difference] of found.differences) differences.set(`${name}${seed}`, difference);
    problems.push(...found.problems.map((problem) => `case ${seed}: ${problem}`));
  }
  return { differences, problems };
}

import { join } from "node:path";
import { type CausalLM, type LabelledInputs, loadModel } from "@lowrank/models";
import { AdamW } from "@lowrank/nn";
import { getPeftModel, PeftMixedModel } from "@lowrank/peft";
import { lowrankConfig, type PeftType, peftConfig } from "./adapterCase.ts";
import { asTensors, type Batch, randomBatch } from "./batch.ts";
import { compare, type Findings, type Results } from "./compare.ts";
import { Draw } from "./draw.ts";
import { commonDivisors } from "./layerOptions.ts";
import { logitsOf, measure, type PackedTensors, unpack } from "./measure.ts";
import { casesOf, drawnMethods } from "./methods/index.ts";
import type { Python } from "./python.ts";
import { type RandomBase, randomBase } from "./randomBases.ts";
import type { RandomChoice } from "./randomChecks.ts";
import type { Report } from "./report.ts";

/** One adapter of a case. */
interface DrawnAdapter {
  peftType: PeftType;
  options: Record<string, unknown>;
}

/** Adapters of one model, and what to do with them. */
interface MixedCase {
  base: RandomBase;
  adapters: DrawnAdapter[];
  /** Sets of active adapters, in random orders. */
  sets: string[][];
  /** An adapter of the first set, which is deleted. Null if it is the only one: PEFT then activates others. */
  deleted: string | null;
}

interface Answers {
  tensors: PackedTensors;
  counts: [trainable: number, all: number][];
}

type Mixed = PeftMixedModel<CausalLM>;

const methods = ["LORA", "LORA", "LOHA", "LOKR", "ADALORA", "OFT", "OFT", "SHIRA"] as const;
const quiet = { onWarning: () => {} };

/**
 * Options that other checks cover, or that need layers which the case does not draw. PEFT writes trained biases into
 * the base model, which all adapters then share.
 */
const left = [
  ...["layersToTransform", "layersPattern", "excludeModules", "modulesToSave", "trainableTokenIndices", "bias"],
  ...["rankPattern", "alphaPattern", "layerReplication", "initWeights", "initLoraWeights", "r", "initR"],
  ...["loraDropout", "moduleDropout", "rankDropout", "rankDropoutScale"],
];

function drawAdapter(draw: Draw, base: RandomBase): DrawnAdapter {
  const peftType = draw.pick(base.conv1d ? (["LORA", "LORA", "ADALORA"] as const) : methods);
  const targets = draw.some(Object.keys(base.linears));
  const most = Math.min(
    ...targets.map((path) => (([inputs, outputs]) => (inputs * outputs) / (inputs + outputs))(base.linears[path])),
  );
  const r = draw.integer(1, Math.max(1, Math.min(5, Math.floor(most))));
  const embeds = ["LORA", "OFT"].includes(peftType) && base.dtype === "float32" && !base.tied && draw.chance(0.2);
  const targetModules = [...targets, ...(embeds ? [base.embedding] : [])];
  if (peftType === "OFT") {
    // An embedding is as wide as the input of a block's first layer.
    const divisors = commonDivisors(base, embeds ? [...targets, Object.keys(base.linears)[0]] : targets);
    if (divisors.length === 0) return drawAdapter(draw, base);
    const options = { coft: draw.chance(0.3), blockShare: draw.chance(0.3), useCayleyNeumann: draw.chance(0.6) };
    return { peftType, options: { oftBlockSize: draw.pick(divisors), ...options, initWeights: false, targetModules } };
  }
  if (peftType === "LORA") {
    const options = { useRslora: draw.chance(0.3), useDora: draw.chance(0.25), loraAlpha: draw.integer(1, 8) };
    return { peftType, options: { r, ...options, initLoraWeights: false, targetModules } };
  }
  const given = casesOf(peftType).draw(draw, base);
  if (given === null) return drawAdapter(draw, base);
  const options = Object.fromEntries(Object.entries(given).filter(([name]) => !left.includes(name)));
  // A random start of SHiRA is N(0, 1), which saturates the attention of models this small.
  const start =
    peftType === "ADALORA"
      ? { initLoraWeights: false, loraAlpha: 0.25 }
      : peftType === "SHIRA"
        ? {}
        : { initWeights: false };
  const ranks = peftType === "ADALORA" ? { initR: r + 1, targetR: 1 } : { r };
  return { peftType, options: { ...options, ...start, ...ranks, targetModules } };
}

const isShira = ({ peftType }: DrawnAdapter): boolean => peftType === "SHIRA";

function drawSet(draw: Draw, adapters: readonly DrawnAdapter[]): string[] {
  const names = adapters.map((_, i) => `a${i}`);
  const chosen = draw.chance(0.6) ? names : draw.some(names);
  if (draw.chance(0.5)) chosen.reverse();
  // Only one adapter can allocate ranks in training.
  const allocating = chosen.filter((name) => adapters[Number(name.slice(1))].peftType === "ADALORA").slice(1);
  return chosen.filter((name) => !allocating.includes(name));
}

function drawCase(seed: number): MixedCase {
  const draw = new Draw(seed, 17);
  let base = randomBase(draw);
  while (base.task !== "CAUSAL_LM" || base.kind !== "decoder" || base.unlikeBlocks || base.otherLinears) {
    base = randomBase(draw);
  }
  const all = Array.from({ length: draw.integer(2, 4) }, () => drawAdapter(draw, base));
  // PEFT refuses SHiRA on layers that have adapters of other methods.
  const adapters = [...all.filter(isShira), ...all.filter((adapter) => !isShira(adapter))];
  const sets = [drawSet(draw, adapters), drawSet(draw, adapters)];
  return {
    base: { ...base, dtype: "float32" },
    adapters,
    sets,
    deleted: sets[0].length > 1 ? draw.pick(sets[0]) : null,
  };
}

/** Returns the indices of the sets that have an adapter with DoRA which was added after another adapter of the set. */
function outerNorms({ sets, adapters }: MixedCase): number[] {
  const numbers = (set: readonly string[]) => set.map((name) => Number(name.slice(1))).sort((a, b) => a - b);
  return sets.flatMap((set, i) =>
    numbers(set)
      .slice(1)
      .some((n) => adapters[n].options.useDora)
      ? [i]
      : [],
  );
}

async function loadMixed(base: string, folders: readonly string[]): Promise<Mixed> {
  const { model } = await loadModel(base, { dtype: "auto" });
  const options = { isTrainable: true };
  const peft = await PeftMixedModel.fromPretrained(model, folders[0], { adapterName: "a0", ...options, ...quiet });
  for (const [i, folder] of folders.entries()) if (i > 0) await peft.loadAdapter(folder, `a${i}`, options);
  return peft.eval();
}

/** Computes in Lowrank what `mixed_results` computes in PEFT. */
async function results(base: string, folders: readonly string[], inputs: LabelledInputs, { sets, deleted }: MixedCase) {
  const found: Results = new Map();
  const counts: Answers["counts"] = [];
  const peft = await loadMixed(base, folders);
  for (const [i, names] of sets.entries()) {
    peft.setAdapter(names);
    const { trainable, all } = peft.getNbTrainableParameters();
    counts.push([trainable, all]);
    for (const [name, value] of await measured(peft, inputs)) found.set(name.replace(/^[a-z]+/, `$&.${i}`), value);
    await peft.mergeAdapter();
    found.set(`merged_logits.${i}`, await logitsOf(peft, inputs));
    peft.unmergeAdapter();
    found.set(`logits.unmerged${i}`, await logitsOf(peft, inputs));
  }
  found.set("logits.disabled", await peft.disableAdapter(() => logitsOf(peft, inputs)));
  peft.setAdapter(sets[0]);
  if (deleted !== null) {
    peft.deleteAdapter(deleted);
    found.set("logits.deleted", await logitsOf(peft, inputs));
  }
  const again = await loadMixed(base, folders);
  again.setAdapter(sets[0]);
  found.set("merged_logits.unloaded", await logitsOf(await again.mergeAndUnload(), inputs));
  return { found, counts };
}

/** Returns logits, loss and gradients. As in PEFT's mixed models, the loss is the model's, without AdaLoRA's term. */
async function measured(peft: Mixed, inputs: LabelledInputs): Promise<Results> {
  const plain = {
    forward: (x: LabelledInputs) => peft.forward(x),
    loss: (x: LabelledInputs) => peft.baseModel.loss(x),
    namedParameters: () => peft.namedParameters(),
    trainableParameters: () => peft.trainableParameters(),
    updateAndAllocate: async () => {},
  };
  const all = await measure(plain, inputs);
  return new Map(
    [...all].map(([name, value]) => [name.includes(".") ? name.replaceAll(".base_layer", "") : `${name}.`, value]),
  );
}

/** Trains all adapters of a case that can be active at once for two steps, in Lowrank, and saves them. */
async function ourFolders(base: string, { adapters, sets }: MixedCase, inputs: LabelledInputs, folder: string) {
  const configs = adapters.map(({ peftType, options }) =>
    lowrankConfig({ peftType, options, method: casesOf(peftType), merges: true, task: "CAUSAL_LM" }, base),
  );
  const { model } = await loadModel(base, { dtype: "auto" });
  const peft: Mixed = await getPeftModel(model, configs[0], { mixed: PeftMixedModel, adapterName: "a0", ...quiet });
  for (const [i, config] of configs.entries()) if (i > 0) await peft.addAdapter(`a${i}`, config);
  peft.setAdapter(sets[0]);
  const optimizer = new AdamW(peft.trainableParameters(), { lr: 5e-3, weightDecay: 0 });
  for (let step = 0; step < 2; step++) {
    optimizer.zeroGrad();
    const loss = peft.loss(inputs);
    loss.backward();
    optimizer.step();
  }
  await peft.savePretrained(folder);
  return adapters.map((_, i) => join(folder, `a${i}`));
}

async function checkCase(python: Python, drawn: MixedCase, seed: number, folder: string): Promise<Findings> {
  const { base, adapters, sets, deleted } = drawn;
  const place = join(folder, "base");
  await python.ask("make_model", { config: base.config, seed, out: place, dtype: base.dtype, task: base.task });
  const batch: Batch = randomBatch(seed, base.config.vocab_size, { rows: 2, length: 7, padding: 0, side: "right" });
  const inputs = asTensors(batch);
  const configs = adapters.map(({ peftType, options: { initWeights, initLoraWeights, ...options } }) =>
    peftConfig({ peftType, options, method: casesOf(peftType), merges: true, task: "CAUSAL_LM" }),
  );
  const theirs = adapters.map((_, i) => join(folder, "theirs", `a${i}`));
  await python.ask("mixed_adapters", { base: place, configs, seed, out: join(folder, "theirs") });
  const ours = await ourFolders(place, drawn, inputs, join(folder, "ours"));
  const all: Findings = { differences: new Map(), problems: [] };
  for (const [from, folders] of Object.entries({ "PEFT's": theirs, ours })) {
    const request = { base: place, folders, inputs: batch, sets, deleted, norms: outerNorms(drawn) };
    const expected = await python.ask<Answers>("mixed_results", request);
    const { found, counts } = await results(place, folders, inputs, drawn);
    const { differences, problems } = compare(found, unpack(expected.tensors));
    for (const [kind, difference] of differences) {
      all.differences.set(kind, Math.max(difference, all.differences.get(kind) ?? 0));
    }
    all.problems.push(...problems.map((problem) => `${from} adapters: ${problem}`));
    if (`${counts}` !== `${expected.counts}`) {
      all.problems.push(`${from} adapters: counts ${counts.join(" ")}, but ${expected.counts.join(" ")} in PEFT`);
    }
  }
  return all;
}

/** The number of mixed models among `cases` random cases of all methods. */
const mixedCases = ({ cases, method }: RandomChoice): number =>
  method === "mixed" ? cases : Math.ceil(cases / drawnMethods.length);

/**
 * Compares models with two to four adapters of the methods that PEFT mixes, on random layers. Compares outputs and
 * gradients with some of the adapters active, merges, parameter counts, and outputs after one adapter was deleted and
 * without adapters. First, PEFT made the adapters, then Lowrank.
 */
export async function mixedChecks(
  choice: RandomChoice,
  { python, folder, report }: { python: Python; folder: string; report: Report },
): Promise<void> {
  for (let seed = choice.seed; seed < choice.seed + mixedCases(choice); seed++) {
    const drawn = drawCase(seed);
    const names = drawn.adapters.map(({ peftType, options }) => (options.useDora ? "DoRA" : peftType));
    const label = `seed ${seed}, mixed ${names.join(" + ")}, ${drawn.base.config.model_type}: active ${drawn.sets.map((set) => set.join(" ")).join("; ")}`;
    await report.check(label, () => checkCase(python, drawn, seed, join(folder, `mixed${seed}`)), [
      `pnpm conformance --seed ${seed} --cases 1 --method mixed`,
      JSON.stringify(drawn.adapters),
    ]);
  }
}

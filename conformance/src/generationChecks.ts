import { join } from "node:path";
import { Generator } from "@lowrank/core";
import { tokenProbabilities } from "@lowrank/core/internal";
import { type GenerateOptions, generate, type LoadedModel, loadModel } from "@lowrank/models";
import type { Findings } from "./compare.ts";
import { Draw } from "./draw.ts";
import { type GenerationCase, generationCase, generationModels } from "./generationCase.ts";
import type { Python } from "./python.ts";
import type { RandomChoice } from "./randomChecks.ts";
import type { Report } from "./report.ts";

interface Generated {
  tokens: number[][];
  /** Float32 in base64 [steps, rows, vocabulary], without beams. */
  scores?: string;
}

/** The maximum difference between the scores of both programs, relative to the largest. */
const tolerance = 2e-5;

/**
 * Compares generation with random settings: tokens, also with beam search, given the same scores after penalties and
 * bans; sampled beams with the same random numbers; and the probabilities with which tokens are sampled.
 */
export async function generationChecks(
  { cases, seed }: RandomChoice,
  { python, folder, report }: { python: Python; folder: string; report: Report },
): Promise<void> {
  const models = new Map<string, Promise<LoadedModel>>();
  const modelOf = (name: keyof typeof generationModels): Promise<LoadedModel> => {
    const out = join(folder, `generation-${name}`);
    const made =
      models.get(name) ??
      python.ask("make_model", { config: generationModels[name], seed: 1, out }).then(() => loadModel(out));
    models.set(name, made);
    return made;
  };
  for (let at = seed; at < seed + cases; at++) {
    const hints = [`pnpm conformance --seed ${at} --cases 1 generation`];
    const drawn = generationCase(at);
    const run = async () =>
      sameTokens(drawn, await modelOf(drawn.model), python, join(folder, `generation-${drawn.model}`));
    await report.check(drawn.label, run, [...hints, JSON.stringify(drawn)]);
    await report.check(`generation, seed ${at}: probabilities of drawing`, () => sameProbabilities(at, python), hints);
  }
}

async function sameTokens(
  { prompts, options }: GenerationCase,
  { model }: LoadedModel,
  python: Python,
  folder: string,
): Promise<Findings> {
  const { eosTokenIds, frequencyPenalty: frequency = 0, presencePenalty: presence = 0, seed, ...rest } = options;
  const snake = (key: string) => key.replaceAll(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
  const named = Object.entries(rest).map(([key, value]) => [snake(key), value]);
  const settings = { ...Object.fromEntries(named), eos_token_id: eosTokenIds ?? null };
  const uniforms = options.doSample ? uniformsOf(prompts.length, model.vocabSize, options) : null;
  const theirs = await python.ask<Generated>("generate_tokens", {
    folder,
    prompts,
    settings,
    frequency,
    presence,
    uniforms,
  });
  const seen: Float32Array[][] = prompts.map(() => []);
  const record = (logits: Float32Array, _tokens: readonly number[], row: number) => {
    seen[row].push(logits.slice());
    return logits;
  };
  const recorded = theirs.scores === undefined ? {} : { logitsProcessors: [record] };
  const ours = await generate(model, prompts, { ...options, ...recorded, generationConfig: null });
  if (theirs.scores === undefined) {
    const same = JSON.stringify(ours) === JSON.stringify(theirs.tokens);
    const problem = `${JSON.stringify(ours)}; transformers gives ${JSON.stringify(theirs.tokens)}`;
    return { differences: new Map(), problems: same ? [] : [problem] };
  }
  const scores = floats(theirs.scores);
  const rows = prompts.map((_, row) => {
    const expected = seen[row].map((_, step) => {
      const at = (step * prompts.length + row) * model.vocabSize;
      return scores.subarray(at, at + model.vocabSize);
    });
    return compareRow(ours[row], seen[row], theirs.tokens[row], expected);
  });
  const ties = rows.filter(({ tie }) => tie).length;
  const largest = Math.max(...rows.map(({ difference }) => difference));
  const problems = rows.flatMap(({ problem }, row) => (problem ? [`row ${row}: ${problem}`] : []));
  return { differences: new Map([["scores", largest], ...(ties > 0 ? [["ties", ties] as const] : [])]), problems };
}

/** Returns the uniform random numbers for sampled beams of each step: [rows, beams * V]. */
function uniformsOf(rows: number, vocabSize: number, options: GenerateOptions): number[][] {
  const { seed = 0, maxNewTokens = 1, numBeams = 1 } = options;
  const generator = new Generator(seed);
  return Array.from({ length: maxNewTokens }, (_, step) => {
    const values = new Float32Array(rows * vocabSize * (step === 0 ? 1 : numBeams));
    generator.fillUniform(values);
    return [...values];
  });
}

const floats = (base64: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);

/** Compares scores up to the first token that differs, which is allowed only for a tie. */
function compareRow(
  ours: readonly number[],
  ourScores: readonly Float32Array[],
  theirs: readonly number[],
  scores: readonly Float32Array[],
): { difference: number; tie?: boolean; problem?: string } {
  let difference = 0;
  for (const [step, expected] of scores.entries()) {
    difference = Math.max(difference, relativeDifference(ourScores[step], expected));
    if (!(difference <= tolerance)) return { difference, problem: `scores of step ${step} differ by ${difference}` };
    const [a, b] = [ours[step], theirs[step]];
    // If two tokens are equally likely except for rounding, the rest may differ.
    if (a !== b && b !== undefined && Math.abs(expected[a] - expected[b]) <= tolerance)
      return { difference, tie: true };
  }
  if (ours.join() === theirs.join()) return { difference };
  return { difference, problem: `tokens ${ours}; transformers gives ${theirs}` };
}

/** Returns the largest difference, relative to the largest finite element. Infinity if an infinity differs. */
function relativeDifference(a: Float32Array, b: Float32Array): number {
  const largest = b.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 1);
  return a.reduce((most, x, i) => (x === b[i] ? most : Math.max(most, Math.abs(x - b[i]) / largest)), 0);
}

/** Compares the sampling probabilities for random logits. */
async function sameProbabilities(seed: number, python: Python): Promise<Findings> {
  const draw = new Draw(seed, 1);
  // All different, since for ties transformers may remove other tokens.
  const logits = Array.from({ length: draw.integer(2, 200) }, (_, i) => draw.integer(-600, 600) / 100 + i / 1e5);
  const options = {
    ...draw.maybe(0.7, () => ({ temperature: draw.integer(2, 30) / 10 })),
    ...draw.maybe(0.5, () => ({ topK: draw.integer(1, 40) })),
    ...draw.maybe(0.5, () => ({ topP: draw.integer(1, 99) / 100 })),
    ...draw.maybe(0.5, () => ({ minP: draw.integer(1, 50) / 100 })),
  };
  const { temperature = 1, topK: top_k = 0, topP: top_p = 1, minP: min_p = 0 } = options;
  const request = { logits, temperature, top_k, top_p, min_p };
  const theirs = floats(await python.ask<string>("sampling_probabilities", request));
  const ours = Float32Array.from(tokenProbabilities(logits, options));
  const difference = relativeDifference(ours, theirs);
  const problems = difference <= tolerance ? [] : [`${JSON.stringify(options)}: probabilities differ by ${difference}`];
  return { differences: new Map([["probabilities", difference]]), problems };
}

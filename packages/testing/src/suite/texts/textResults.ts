import type { CausalLM, Tokenizer } from "@lowrank/models";
import { atMost, fact, total } from "../shared/check.ts";
import type { ComparedMetric } from "../shared/comparison.ts";
import type { DriftLimits, ForgettingLimits, HeldOutLimits, Suite, TextSource } from "../shared/suite.ts";
import type { SuiteCheck, SuiteMeasures } from "../shared/suiteReport.ts";
import type { System } from "../shared/systems.ts";
import { textRows } from "./textRows.ts";
import { type TokenScores, tokenScores } from "./tokenScores.ts";

/** Results of a suite's texts: held-out loss, forgetting and drift. */
export interface TextResults {
  readonly checks: readonly SuiteCheck[];
  readonly base: SuiteMeasures;
  /** Measurements of each adapter. */
  readonly measures: readonly SuiteMeasures[];
  readonly metrics: readonly ComparedMetric[];
}

const mean = (sums: Float64Array, { sizes }: TokenScores): number => total(sums) / total(sizes);

/** Measures the losses of a suite's texts with the base model and each adapter. */
export async function textResults(
  suite: Suite,
  model: CausalLM,
  tokenizer: Tokenizer,
  { base, systems }: { readonly base: System; readonly systems: readonly System[] },
  onProgress?: (part: string, done: number, of: number) => void,
): Promise<TextResults> {
  const { heldOut, forgetting, drift } = suite;
  const score = async (part: string, source: TextSource, kl: boolean, measured: readonly System[]) => {
    const rows = await base.run(() => textRows(part, source, model, tokenizer));
    return tokenScores(model, rows, measured, { kl, onProgress: (done, of) => onProgress?.(part, done, of) });
  };
  const parts: TextResults[] = [];
  if (heldOut) parts.push(heldOutResults(heldOut, await score("heldOut", heldOut, false, systems)));
  const driftSource = drift && hasTexts(drift) ? drift : forgetting;
  const isShared = forgetting !== undefined && drift !== undefined && sameTexts(driftSource, forgetting);
  const wantsKl = drift?.maxKl !== undefined;
  const all = [base, ...systems];
  const general = forgetting && (await score("forgetting", forgetting, wantsKl && isShared, all));
  if (forgetting && general) parts.push(forgettingResults(forgetting, general));
  const drifted = isShared ? general : drift && (await score("drift", driftSource as TextSource, wantsKl, all));
  if (drift && drifted) parts.push(driftResults(drift, drifted));
  const compared = general ?? drifted;
  const effect = compared ? [effectOf(compared)] : [];
  return {
    checks: [...effect, ...parts.flatMap(({ checks }) => checks)],
    base: Object.assign({}, ...parts.map(({ base: own }) => own)),
    measures: systems.map((_, i) => Object.assign({}, ...parts.map(({ measures }) => measures[i]))),
    metrics: systems.length > 1 ? parts.flatMap(({ metrics }) => metrics) : [],
  };
}

function hasTexts({ data, text, examples }: TextSource): boolean {
  return data !== undefined || text !== undefined || examples !== undefined;
}

/** Returns true if two sections measure the same texts, so that one pass is enough for both. */
function sameTexts(a: TextSource | undefined, b: TextSource): boolean {
  return (["data", "text", "examples", "maxTokens", "window"] as const).every((key) => a?.[key] === b[key]);
}

/** Returns the sums of two adapters by item, for a comparison. Items without predicted tokens are left out. */
function comparedBy(
  metric: ComparedMetric["metric"],
  [a, b]: readonly TokenScores[],
  sums: (scores: TokenScores) => Float64Array,
): ComparedMetric[] {
  if (b === undefined) return [];
  const kept = (values: Float64Array) => values.filter((_, i) => a.sizes[i] > 0);
  return [{ metric, largerIsBetter: false, a: kept(sums(a)), b: kept(sums(b)), sizes: kept(a.sizes) }];
}

function heldOutResults({ maxLoss, maxPerplexity }: HeldOutLimits, scores: readonly TokenScores[]): TextResults {
  const losses = scores.map((of) => mean(of.losses, of));
  const group = "heldOut";
  const hint = "the adapter may be half trained, have a wrong scale, or be made for other data";
  const checks = [
    ...(maxLoss === undefined
      ? []
      : [
          atMost({
            group,
            name: "loss",
            value: losses[0],
            most: maxLoss,
            what: "the mean loss of a token (nats)",
            hint,
          }),
        ]),
    ...(maxPerplexity === undefined
      ? []
      : [
          atMost({
            group,
            name: "perplexity",
            value: Math.exp(losses[0]),
            most: maxPerplexity,
            what: "the perplexity",
            hint,
          }),
        ]),
  ];
  return {
    ...{ checks, base: {}, metrics: comparedBy("held-out loss", scores, (of) => of.losses) },
    measures: losses.map((loss) => ({ loss, perplexity: Math.exp(loss) })),
  };
}

function forgettingResults({ maxLossIncrease }: ForgettingLimits, [base, ...own]: readonly TokenScores[]): TextResults {
  const [before, ...losses] = [base, ...own].map((of) => mean(of.losses, of));
  const check = atMost({
    ...{ group: "forgetting", name: "loss increase", value: losses[0] - before, most: maxLossIncrease },
    what: `the loss on general text minus the base model's (nats a token, ${before.toFixed(3)} before)`,
    hint: "lower the scale, the learning rate or the number of steps, or mix general text into the training data",
  });
  return {
    ...{ checks: [check], base: { generalLoss: before }, metrics: comparedBy("general loss", own, (of) => of.losses) },
    measures: losses.map((generalLoss) => ({ generalLoss })),
  };
}

function driftResults({ maxChangedTokens, maxKl }: DriftLimits, [, ...own]: readonly TokenScores[]): TextResults {
  const changes = own.map((of) => mean(of.changed, of));
  const kls = own.map((of) => mean(of.divergence, of));
  const hint = "lower the scale, the learning rate or the number of steps";
  const group = "drift";
  const what = "the share of tokens whose most likely successor differs from the base model's";
  const checks: SuiteCheck[] = [];
  const metrics: ComparedMetric[] = [];
  if (maxChangedTokens !== undefined) {
    checks.push(atMost({ group, name: "changed tokens", value: changes[0], most: maxChangedTokens, what, hint }));
    metrics.push(...comparedBy("changed tokens", own, (of) => of.changed));
  }
  if (maxKl !== undefined) {
    checks.push(
      atMost({ group, name: "KL", value: kls[0], most: maxKl, what: "KL(base || adapter) (nats a token)", hint }),
    );
    metrics.push(...comparedBy("KL", own, (of) => of.divergence));
  }
  const measures = own.map((_, i) => ({ changedTokens: changes[i], ...(maxKl !== undefined && { kl: kls[i] }) }));
  return { checks, base: {}, measures, metrics };
}

/** Returns the check that an adapter changes the predictions of the base model. */
function effectOf([base, own]: readonly TokenScores[]): SuiteCheck {
  const changes = own.losses.some((loss, i) => loss !== base.losses[i]);
  const tokens = total(own.sizes);
  const message = changes
    ? "its predictions differ from the base model's"
    : `all losses of ${tokens} tokens equal the base model's; the adapter is untrained or is not applied`;
  return fact("adapter", "has an effect", changes, message);
}

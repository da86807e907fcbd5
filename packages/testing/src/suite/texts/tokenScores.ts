import {
  crossEntropy,
  exp,
  indexSelect,
  logSoftmax,
  mul,
  noGrad,
  reshape,
  scope,
  slice,
  sub,
  sum,
  type Tensor,
  tensor,
  withBackend,
  yieldIfDue,
} from "@lowrank/core";
import { argmaxTokens } from "@lowrank/core/internal";
import type { CausalLM } from "@lowrank/models";
import { collate, ignoreIndex } from "@lowrank/train";
import type { System } from "../shared/systems.ts";
import type { TextRow, TextRows } from "./textRows.ts";

/** Sums over the predicted tokens of each item, for one system. */
export interface TokenScores {
  /** Number of predicted tokens. */
  readonly sizes: Float64Array;
  /** Sum of the losses, in nats. */
  readonly losses: Float64Array;
  /** Number of tokens at which the most likely next token is not the base model's. Zero without a base model. */
  readonly changed: Float64Array;
  /** Sum of KL(base || system), in nats. Zero if it is not measured. */
  readonly divergence: Float64Array;
}

/** Number of tokens in a forward pass. */
const batchTokens = 512;
/** Number of logits that are in memory at once, for each system: 32 MB. */
const logitsAtOnce = 2 ** 23;

/**
 * Measures how each system predicts the same rows. If the first system is the base model, the others are compared with
 * it, and the base model's predictions are computed once.
 */
export async function tokenScores(
  model: CausalLM,
  { rows, items }: TextRows,
  systems: readonly System[],
  { kl = false, onProgress }: { kl?: boolean; onProgress?: (done: number, of: number) => void } = {},
): Promise<TokenScores[]> {
  const scores = systems.map(() => ({
    ...{ sizes: new Float64Array(items), losses: new Float64Array(items) },
    ...{ changed: new Float64Array(items), divergence: new Float64Array(items) },
  }));
  let done = 0;
  for (const batch of batches(rows)) {
    await yieldIfDue();
    await scoreBatch(model, batch, systems, scores, kl);
    done += batch.length;
    onProgress?.(done, rows.length);
  }
  return scores;
}

/** Divides rows into batches of similar lengths with at most `batchTokens` tokens, or one longer row. */
function batches(rows: readonly TextRow[]): TextRow[][] {
  const found: TextRow[][] = [];
  for (const row of rows.toSorted((a, b) => b.inputIds.length - a.inputIds.length)) {
    const last = found.at(-1);
    if (last && (last.length + 1) * last[0].inputIds.length <= batchTokens) last.push(row);
    else found.push([row]);
  }
  return found;
}

async function scoreBatch(
  model: CausalLM,
  rows: readonly TextRow[],
  systems: readonly System[],
  scores: readonly TokenScores[],
  kl: boolean,
): Promise<void> {
  const wanted = predicted(rows);
  const hidden = systems.map((system) => system.run(() => hiddenOf(model, rows, wanted.positions)));
  try {
    const step = Math.max(1, Math.floor(logitsAtOnce / model.vocabSize));
    for (let start = 0; start < wanted.labels.length; start += step) {
      const end = Math.min(start + step, wanted.labels.length);
      await scoreTokens(model, hidden, wanted, [start, end], systems, scores, kl);
    }
  } finally {
    for (const states of hidden) states.dispose();
  }
}

/** Tokens of a batch that are predicted: their positions in the flattened batch, their labels and items. */
interface Predicted {
  readonly positions: Int32Array;
  readonly labels: Int32Array;
  readonly items: readonly number[];
}

/** Returns the predicted tokens of a batch. Without virtual tokens, nothing predicts the first token of a row. */
function predicted(rows: readonly TextRow[]): Predicted {
  const [positions, labels, items]: [number[], number[], number[]] = [[], [], []];
  const length = Math.max(...rows.map(({ inputIds }) => inputIds.length));
  for (const [r, row] of rows.entries()) {
    for (let t = 1; t < row.labels.length; t++) {
      if (row.labels[t] === ignoreIndex) continue;
      positions.push(r * length + t - 1);
      labels.push(row.labels[t]);
      items.push(row.items[t]);
    }
  }
  return { positions: Int32Array.from(positions), labels: Int32Array.from(labels), items };
}

/** Returns the final hidden states that predict the wanted tokens, [N, D]. */
function hiddenOf(model: CausalLM, rows: readonly TextRow[], positions: Int32Array): Tensor {
  const { backend } = model;
  const batch = collate(
    rows.map(({ inputIds, labels }) => ({ inputIds: [...inputIds], labels: [...labels] })),
    { padTokenId: 0 },
  );
  const shape = [batch.batchSize, batch.length];
  return noGrad(() =>
    withBackend(backend, () =>
      scope(() => {
        const inputIds = tensor(batch.inputIds, { shape });
        const attentionMask = batch.attentionMask.includes(0) ? tensor(batch.attentionMask, { shape }) : null;
        const states = model.hidden({ inputIds, attentionMask });
        // States of virtual tokens come first.
        const own = slice(states, { dim: 1, start: states.shape[1] - batch.length });
        const flat = reshape(own, [batch.batchSize * batch.length, states.shape[2]]);
        return indexSelect(flat, tensor(positions, { shape: [positions.length] }), { dim: 0 });
      }),
    ),
  );
}

/** Adds the scores of the tokens from `start` up to but excluding `end`. */
async function scoreTokens(
  model: CausalLM,
  hidden: readonly Tensor[],
  { labels, items }: Predicted,
  [start, end]: readonly [number, number],
  systems: readonly System[],
  scores: readonly TokenScores[],
  kl: boolean,
): Promise<void> {
  const found: Tensor[][] = [];
  let base: Tensor | null = null;
  const keeps = kl && systems[0].name === "base" && systems.length > 1;
  try {
    for (const [s, system] of systems.entries()) {
      const [logProbabilities, ...values] = system.run(() =>
        predict(model, hidden[s], labels.subarray(start, end), [start, end], base, keeps && s === 0),
      );
      if (s === 0) base = logProbabilities;
      found.push(values as Tensor[]);
    }
    let first: ArrayLike<number> = [];
    for (const [s, [losses, tokens, divergence]] of found.entries()) {
      const [each, chosen] = await Promise.all([losses.data(), tokens.data()]);
      const apart = divergence && (await divergence.data());
      if (s === 0) first = chosen as ArrayLike<number>;
      for (let i = 0; i < end - start; i++) {
        const item = items[start + i];
        scores[s].sizes[item]++;
        scores[s].losses[item] += Number(each[i]);
        if (s > 0 && systems[0].name === "base" && chosen[i] !== first[i]) scores[s].changed[item]++;
        if (apart) scores[s].divergence[item] += Number(apart[i]);
      }
    }
  } finally {
    base?.dispose();
    for (const one of found.flat()) one?.dispose();
  }
}

/**
 * Returns the log-probabilities if they are wanted, the loss and the most likely token of each position, and the
 * divergence from `base` if it is given.
 */
function predict(
  model: CausalLM,
  hidden: Tensor,
  labels: Int32Array,
  [start, end]: readonly [number, number],
  base: Tensor | null,
  wantsAll: boolean,
): [Tensor | null, Tensor, Tensor, Tensor | null] {
  return noGrad(() =>
    withBackend(model.backend, () =>
      scope((): [Tensor | null, Tensor, Tensor, Tensor | null] => {
        const logits = model.logitsOf(slice(hidden, { dim: 0, start, end }));
        const losses = crossEntropy(logits, tensor(labels, { shape: [end - start] }), { reduction: "none" });
        const own = base || wantsAll ? logSoftmax(logits, { dim: 1 }) : null;
        const divergence = base && own ? sum(mul(exp(base), sub(base, own)), { dim: 1 }) : null;
        return [wantsAll ? own : null, losses, argmaxTokens(logits), divergence];
      }),
    ),
  );
}

import {
  cat,
  Generator,
  gather,
  indexSelect,
  logSoftmax,
  reshape,
  slice,
  sum,
  type Tensor,
  tensor,
  to,
  topk,
  where,
} from "@lowrank/core";
import { argmaxTokens, sampleTokens } from "@lowrank/core/internal";
import type { SamplingSettings } from "../api/api.ts";
import type { LogitEdits } from "./logitEdits.ts";

/** Settings for choosing the next token of one row. */
export interface Choice {
  readonly sampling: SamplingSettings & { readonly seed: number };
  /** Number of new tokens before this one. */
  readonly index: number;
  readonly edits: LogitEdits | null;
}

/** Returns rows of a tensor in order, or the tensor itself if these are all its rows. */
export function rowsOf(x: Tensor, rows: readonly number[]): Tensor {
  if (rows.length === x.shape[0] && rows.every((row, i) => row === i)) return x;
  return indexSelect(x, tensor(Int32Array.from(rows), { backend: x.storage.backend }), { dim: 0 });
}

/**
 * Returns the next token of each row of logits f32 [W, V], as i32 [W]; -1 if none can be chosen. Each is computed from
 * its row alone, and token k of a request is drawn with uniform value k of its seed. So neither other rows nor a pause
 * change it.
 */
export function chooseTokens(logits: Tensor, choices: readonly Choice[]): Tensor {
  const rows = [...choices.keys()];
  const plain = rows.filter((row) => choices[row].sampling.temperature === 0 && choices[row].edits === null);
  const others = rows.filter((row) => !plain.includes(row));
  const parts = plain.length > 0 ? [argmaxTokens(rowsOf(logits, plain))] : [];
  for (const row of others) {
    parts.push(chooseOne(slice(logits, { dim: 0, start: row, end: row + 1 }), choices[row]));
  }
  const order = [...plain, ...others];
  const chosen = parts.length === 1 ? parts[0] : cat(parts, { dim: 0 });
  return rowsOf(
    chosen,
    rows.map((row) => order.indexOf(row)),
  );
}

function chooseOne(logits: Tensor, { sampling, index, edits }: Choice): Tensor {
  const { temperature, topK, topP, minP, seed } = sampling;
  const edited = edits?.apply(logits) ?? logits;
  if (temperature === 0) return argmaxTokens(edited);
  const generator = new Generator(seed);
  generator.offset = index;
  return sampleTokens(edited, { temperature, topK, topP, minP, generator });
}

/** Log-probabilities of rows: of one token each, f32 [m], and of the k most probable, f32 and i32 [m, k]. */
export interface LogprobTensors {
  readonly ofTokens: Tensor;
  readonly top: readonly [values: Tensor, tokens: Tensor] | null;
  /** Rank of each of `ofTokens`: the number of tokens at least as probable, f32 [m]. */
  readonly ranks: Tensor | null;
}

/** Returns the log-probabilities for logits f32 [m, V], of `tokens` i32 [m] and of the k most probable tokens. */
export function logprobsOf(logits: Tensor, tokens: Tensor, k: number, withRanks: boolean): LogprobTensors {
  const all = logSoftmax(logits, { dim: 1 });
  const at = reshape(tokens, [-1, 1]);
  // A row without a token (-1) fails alone later; the other rows of its pass continue.
  const isToken = at.ge(0);
  const column = gather(all, where(isToken, at, 0), { dim: 1 });
  const ofTokens = reshape(column, [-1]);
  const ranks = withRanks ? sum(to(all.ge(column), { dtype: "f32" }), { dim: 1 }) : null;
  if (k === 0) return { ofTokens, top: null, ranks };
  const [values, likeliest] = topk(all, k, { dim: 1 });
  return { ofTokens, top: [values, likeliest], ranks };
}

import { checkOptions, type OptionKeys, yieldIfDue } from "@lowrank/core";
import type { CausalLM, Tokenizer } from "@lowrank/models";
import { logLikelihood } from "./logLikelihood.ts";

/** Perplexity of texts, by three units. */
export interface Perplexity {
  /** exp of the mean negative log-probability of a token. */
  readonly tokenPerplexity: number;
  /** The same by words, as parted by white space; for models of different tokenizers. */
  readonly wordPerplexity: number;
  /** The same by bytes of UTF-8. */
  readonly bytePerplexity: number;
  readonly bitsPerByte: number;
  /** Tokens that were predicted. */
  readonly tokens: number;
  readonly words: number;
  readonly bytes: number;
}

/** Settings of `measurePerplexity`. */
export interface PerplexitySettings {
  /** The most tokens of a window. Default: the model's positions, and 1024 at most. */
  readonly maxLength?: number;
  /**
   * Tokens by which a window moves on: fewer give more context and cost more. Default: half of a
   * window. Of windows that do not overlap, the first token is not predicted.
   */
  readonly stride?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

const perplexityKeys: OptionKeys<PerplexitySettings> = { maxLength: true, stride: true, onProgress: true };

/**
 * The perplexity of texts by a sliding window, as in transformers' "Perplexity of fixed-length
 * models": each window predicts the tokens that no earlier one did, after all that it holds before
 * them. The means are over tokens, however they fall into windows.
 */
export async function measurePerplexity(
  model: CausalLM,
  tokenizer: Tokenizer,
  texts: readonly string[],
  settings: PerplexitySettings = {},
): Promise<Perplexity> {
  checkOptions("measurePerplexity", settings, perplexityKeys);
  const positions = model.maxPositions - (model.virtualTokens?.count ?? 0);
  const { maxLength = Math.min(1024, positions), onProgress } = settings;
  const { stride = Math.ceil(maxLength / 2) } = settings;
  if (maxLength > positions)
    throw new Error(`a window of ${maxLength} tokens exceeds the model's ${positions} positions`);
  if (stride > maxLength) throw new Error(`a stride of ${stride} leaves tokens out of windows of ${maxLength}`);
  let [sum, tokens, words, bytes] = [0, 0, 0, 0];
  const all = texts.map((text) => tokenizer.encode(text));
  const total = all.reduce((count, ids) => count + ids.length, 0);
  let done = 0;
  for (const [i, ids] of all.entries()) {
    for (const { begin, end, from } of windows(ids.length, maxLength, stride)) {
      const found = await logLikelihood(model, ids.slice(begin, end), end - from);
      sum += found.sum;
      tokens += found.counted;
      onProgress?.(done + end, total);
      await yieldIfDue();
    }
    done += ids.length;
    words += texts[i].split(/\s+/).filter((word) => word !== "").length;
    bytes += new TextEncoder().encode(texts[i]).length;
  }
  if (tokens === 0) throw new Error("there is nothing to predict: texts need two tokens at least");
  return {
    tokenPerplexity: Math.exp(-sum / tokens),
    wordPerplexity: Math.exp(-sum / words),
    bytePerplexity: Math.exp(-sum / bytes),
    bitsPerByte: -sum / bytes / Math.LN2,
    ...{ tokens, words, bytes },
  };
}

/** Windows over `length` tokens; each predicts those from `from` on, which no earlier one did. */
function windows(length: number, maxLength: number, stride: number): { begin: number; end: number; from: number }[] {
  const found: { begin: number; end: number; from: number }[] = [];
  let from = 0;
  for (let begin = 0; from < length; begin += stride) {
    const end = Math.min(begin + maxLength, length);
    found.push({ begin, end, from });
    from = end;
  }
  return found;
}

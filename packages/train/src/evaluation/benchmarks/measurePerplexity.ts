import { crossEntropy, noGrad, scope, slice, type Tensor, tensor, yieldIfDue } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { CausalLM, LabelledInputs, Tokenizer } from "@lowrank/models";
import { ignoreIndex } from "../../data/tokens/ignoreIndex.ts";

/** Perplexity of a text per token, per word and per byte. */
export interface Perplexity {
  /** exp of the mean negative log-probability of a token. */
  readonly tokenPerplexity: number;
  /** Perplexity per word (separated by white space), which is comparable between tokenizers. */
  readonly wordPerplexity: number;
  /** Perplexity per byte of UTF-8. */
  readonly bytePerplexity: number;
  readonly bitsPerByte: number;
  /** Number of tokens that were predicted. */
  readonly tokens: number;
  readonly words: number;
  readonly bytes: number;
}

/** Settings of `measurePerplexity`. */
export interface PerplexitySettings {
  /** Number of tokens in a window. Default: the model's maximum length, at most 1024. */
  readonly maxLength?: number;
  /**
   * Number of tokens by which the window moves. A smaller stride gives predictions more context but takes longer.
   * Default: half of the window. If windows do not overlap, the first token of each is not predicted.
   */
  readonly stride?: number;
  readonly onProgress?: (done: number, of: number) => void;
}

/**
 * Computes perplexity with a sliding window, as in transformers' "Perplexity of fixed-length models". Each window
 * predicts the tokens that no earlier window predicted, given all earlier tokens in the window. All tokens count
 * equally.
 */
export async function measurePerplexity(
  model: CausalLM,
  tokenizer: Tokenizer,
  texts: readonly string[],
  settings: PerplexitySettings = {},
): Promise<Perplexity> {
  checkOptions("measurePerplexity", settings, { maxLength: true, stride: true, onProgress: true });
  const positions = model.maxPositions - (model.virtualTokens?.count ?? 0);
  const { maxLength = Math.min(1024, positions), onProgress } = settings;
  const { stride = Math.ceil(maxLength / 2) } = settings;
  if (maxLength > positions)
    throw new Error(`a window of ${maxLength} tokens exceeds the model's ${positions} positions`);
  if (stride > maxLength)
    throw new Error(
      `a stride of ${stride} skips tokens between windows of ${maxLength} tokens; give a stride of at most ${maxLength}`,
    );
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

/**
 * Returns windows that cover `length` tokens. A window contains the tokens from index `begin` up to but excluding
 * `end`. It predicts its tokens from index `from` on, which no earlier window predicted.
 */
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

/**
 * Returns `sum`, the log-probability in nats that a model assigns to the last `count` tokens, each given the tokens
 * before it. `counted` is the number of tokens in this sum. If the model has no virtual tokens, the first token of the
 * text is left out, since nothing predicts it.
 */
export async function logLikelihood(
  model: CausalLM,
  tokens: readonly number[],
  count: number,
): Promise<{ sum: number; counted: number }> {
  const labels = tokens.map((token, i) => (i < tokens.length - count ? ignoreIndex : token));
  const virtual = model.virtualTokens?.count ?? 0;
  // With virtual tokens, the last of them predicts the first token.
  const counted = labels.slice(virtual > 0 ? 0 : 1).filter((label) => label !== ignoreIndex).length;
  if (counted === 0) return { sum: 0, counted };
  model.eval();
  const { backend } = model;
  const shape = [1, tokens.length];
  using loss = noGrad(() =>
    scope(() => {
      const inputIds = tensor(Int32Array.from(tokens), { shape, backend });
      const labelled = { inputIds, labels: tensor(Int32Array.from(labels), { shape, backend }) };
      return model.virtualTokens?.loss ? tokenLoss(model, labelled) : model.loss(labelled);
    }),
  );
  return { sum: -(await loss.item()) * counted, counted };
}

/** Returns the mean cross-entropy of the labels for a model with virtual tokens that have their own loss. */
function tokenLoss(model: CausalLM, { inputIds, labels }: Pick<LabelledInputs, "inputIds" | "labels">): Tensor {
  const { logits } = model.forward({ inputIds });
  const end = logits.shape[1] - 1;
  return crossEntropy(slice(logits, { dim: 1, start: end - labels.shape[1], end }), labels, { ignoreIndex });
}

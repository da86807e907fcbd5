import type { Tokenizer } from "@lowrank/models";
import { ignoreIndex } from "@lowrank/train";
import { quoted } from "../shared/check.ts";
import type { MaskCheck } from "../shared/suite.ts";
import type { MaskExample } from "./maskExamples.ts";

/** Facts about the tokenizer and the training that the checks of masks use. */
export interface MaskContext {
  readonly tokenizer: Tokenizer;
  /** Ids of the tokens that end an answer. */
  readonly ends: readonly number[];
  /** Tokens with which the chat template opens an answer; empty if it opens answers without tokens. */
  readonly header: readonly number[];
  /** Maximum number of tokens in training. */
  readonly maxLength: number;
  /** Kinds of records that must be rendered by the chat template. */
  readonly rendered: ReadonlySet<MaskExample["kind"]>;
}

/** Returns the problem that a check finds in an example, null if there is none, or undefined if it does not apply. */
export type MaskRule = (example: MaskExample, context: MaskContext) => string | null | undefined;

const isLearned = (label: number): boolean => label !== ignoreIndex;

/** Returns a token in quotes, with its position. */
function tokenAt(tokenizer: Tokenizer, ids: readonly number[], t: number): string {
  return `token ${t} (${quoted(tokenizer.decode([ids[t]]))})`;
}

/** Each label is -100 or the token at its position. */
const labels: MaskRule = ({ tokens: { inputIds, labels: given } }, { tokenizer }) => {
  if (given.length !== inputIds.length) {
    return `${inputIds.length} tokens and ${given.length} labels; give one label for each token`;
  }
  const learned = given.flatMap((label, t) => (isLearned(label) ? [t] : []));
  if (learned.length === 0) return "no token is learned; the mask covers the whole example";
  const wrong = learned.find((t) => given[t] !== inputIds[t]);
  if (wrong === undefined) return null;
  for (const step of [1, -1]) {
    const shifted = learned.every((t) => inputIds[t + step] === undefined || given[t] === inputIds[t + step]);
    if (shifted) {
      const side = step === 1 ? "earlier" : "later";
      return `the labels are off by one: each is one position ${side} than its token; give label t for token t, since the loss shifts them`;
    }
  }
  return `the label of ${tokenAt(tokenizer, inputIds, wrong)} is ${given[wrong]}; give ${inputIds[wrong]} or ${ignoreIndex}`;
};

/** The tokens that should be learned. */
interface Expected {
  /** Returns true if the token should be learned. */
  isLearned(t: number): boolean;
  /** Number of positions, from 0, for which this is known. */
  readonly known: number;
}

/**
 * Returns which tokens should be learned: by the reference, or by the openings of answers in the chat template. A plain
 * text may contain a rendered chat, of which only the answers should be learned.
 */
function expected({ tokens, reference, kind }: MaskExample, { header, ends }: MaskContext): Expected | null {
  const spans = answerSpans(tokens.inputIds, header, ends);
  const isRendered = kind === "text" && spans.length > 0;
  if (reference && !isRendered && !differingToken(tokens.inputIds, reference.inputIds)) {
    return { isLearned: (t) => isLearned(reference.labels[t]), known: reference.labels.length };
  }
  if (spans.length === 0) return null;
  return { isLearned: (t) => spans.some(([start, end]) => t >= start && t < end), known: tokens.inputIds.length };
}

/** Returns the ranges of tokens after each opening of an answer, up to and including the token that ends it. */
function answerSpans(ids: readonly number[], header: readonly number[], ends: readonly number[]): [number, number][] {
  if (header.length === 0) return [];
  const spans: [number, number][] = [];
  for (let t = 0; t + header.length <= ids.length; t++) {
    if (!header.every((id, i) => ids[t + i] === id)) continue;
    const start = t + header.length;
    const end = ids.findIndex((id, at) => at >= start && ends.includes(id));
    spans.push([start, end < 0 ? ids.length : end + 1]);
  }
  return spans;
}

/** Returns true if tokens contain the chat template's opening of an answer. */
export function hasHeader(ids: readonly number[], header: readonly number[]): boolean {
  return header.length > 0 && ids.some((_, t) => header.every((id, i) => ids[t + i] === id));
}

/** Returns how a mask is shifted by one position, or "" if it is not. */
function shift(given: readonly number[], wanted: Expected): string {
  for (const [step, side] of [
    [1, "too early"],
    [-1, "too late"],
  ] as const) {
    const same = given.every(
      (label, t) => t + step < 0 || t + step >= wanted.known || isLearned(label) === wanted.isLearned(t + step),
    );
    if (same) return `the mask is off by one, one token ${side}: `;
  }
  return "";
}

/** No token of the prompt is learned. */
const prompt: MaskRule = (example, context) => {
  const wanted = expected(example, context);
  if (!wanted) return undefined;
  const { inputIds, labels: given } = example.tokens;
  const wrong = given.flatMap((label, t) => (isLearned(label) && !wanted.isLearned(t) ? [t] : []));
  if (wrong.length === 0) return null;
  const count = wrong.length === 1 ? "a token" : `${wrong.length} tokens`;
  return `${shift(given, wanted)}${count} of the prompt would be learned, first ${tokenAt(context.tokenizer, inputIds, wrong[0])}; give these tokens the label ${ignoreIndex}`;
};

/** Every token of the answer is learned. */
const answer: MaskRule = (example, context) => {
  const wanted = expected(example, context);
  if (!wanted) return undefined;
  const { inputIds, labels: given } = example.tokens;
  const missing = given.flatMap((label, t) => (!isLearned(label) && wanted.isLearned(t) ? [t] : []));
  if (missing.length === 0) return null;
  const count = missing.length === 1 ? "a token" : `${missing.length} tokens`;
  return `${shift(given, wanted)}${count} of the answer would not be learned, first ${tokenAt(context.tokenizer, inputIds, missing[0])}; give these tokens their own ids as labels`;
};

/** The last learned token ends the answer, so that the model learns to stop. */
const endOfSequence: MaskRule = ({ tokens: { inputIds, labels: given } }, { tokenizer, ends }) => {
  if (ends.length === 0) return undefined;
  const last = given.findLastIndex(isLearned);
  if (last < 0) return undefined;
  if (ends.includes(inputIds[last])) return null;
  const names = ends.map((id) => quoted(tokenizer.decode([id]))).join(" or ");
  return `the last learned token is ${tokenAt(tokenizer, inputIds, last)}, not ${names}; without it the model does not learn to stop`;
};

/** The chat template rendered the tokens. */
const template: MaskRule = ({ tokens, reference, kind }, { tokenizer, header, rendered }) => {
  if (!rendered.has(kind)) return undefined;
  if (!reference || kind !== "chat") {
    return hasHeader(tokens.inputIds, header)
      ? null
      : `the chat template's opening ${quoted(tokenizer.decode([...header]))} is missing; render the record with applyChatTemplate`;
  }
  const at = differingToken(tokens.inputIds, reference.inputIds);
  if (!at) return null;
  const text = (ids: readonly number[]) =>
    at.index < ids.length ? quoted(tokenizer.decode(ids.slice(at.index, at.index + 4))) : "the end";
  return `the tokens differ from the chat template's at token ${at.index}: ${text(tokens.inputIds)} instead of ${text(reference.inputIds)}; render the messages with applyChatTemplate`;
};

/** A record that is no chat has the tokens of `tokenizeExample`. Chats have the check `template`. */
const tokens: MaskRule = ({ tokens: { inputIds }, reference, kind }, { tokenizer }) => {
  if (!reference || kind === "chat") return undefined;
  const at = differingToken(inputIds, reference.inputIds);
  if (!at) return null;
  const text = (ids: readonly number[]) =>
    at.index < ids.length ? quoted(tokenizer.decode(ids.slice(at.index, at.index + 4))) : "the end";
  const unknown = "so it is unknown which of them belong to the answer";
  if (inputIds[0] === inputIds[1] && differingToken(inputIds.slice(1), reference.inputIds) === null) {
    return `token 0 (${quoted(tokenizer.decode([inputIds[0]]))}) is there twice, ${unknown}; tokenize with addSpecialTokens: false what already begins with it`;
  }
  return `the tokens differ from the record's at token ${at.index}: ${text(inputIds)} instead of ${text(reference.inputIds)}, ${unknown}; use tokenizeExample, give input_ids and labels without the record, or leave "tokens" out of checks`;
};

function differingToken(a: readonly number[], b: readonly number[]): { readonly index: number } | null {
  const length = Math.max(a.length, b.length);
  for (let index = 0; index < length; index++) if (a[index] !== b[index]) return { index };
  return null;
}

/** Truncation leaves some learned tokens. */
const truncation: MaskRule = ({ tokens: { inputIds, labels: given } }, { maxLength }) => {
  if (inputIds.length <= maxLength) return null;
  // The first token is not predicted.
  const [left, all] = [given.slice(1, maxLength), given].map((part) => part.filter(isLearned).length);
  if (left > 0) return null;
  return `all ${all} learned tokens are after token ${maxLength} of ${inputIds.length}, and truncation removes them; raise maxLength or shorten the prompt`;
};

/** Truncation does not cut off the end of an answer. Plain texts may be longer than one sequence. */
const truncatedEnd: MaskRule = ({ tokens: { inputIds, labels: given }, kind }, { maxLength, ends }) => {
  const last = given.findLastIndex(isLearned);
  if (kind === "text" || last < 0) return undefined;
  if (kind === "tokens" && !ends.includes(inputIds[last])) return undefined;
  if (last < maxLength) return null;
  const cut = given.slice(maxLength).filter(isLearned).length;
  return `the last ${cut === 1 ? "learned token is" : `${cut} learned tokens are`} after token ${maxLength} of ${inputIds.length}, so that the answer does not end; raise maxLength or maxTruncated, or leave out long examples`;
};

/** The checks of masks by name, in the order of reports. */
export const maskRules: Readonly<Record<MaskCheck, { readonly title: string; readonly rule: MaskRule }>> = {
  labels: { title: "labels fit tokens", rule: labels },
  prompt: { title: "prompt is not learned", rule: prompt },
  answer: { title: "answer is learned", rule: answer },
  endOfSequence: { title: "end of sequence is learned", rule: endOfSequence },
  tokens: { title: "tokens are the record's", rule: tokens },
  template: { title: "chat template is present", rule: template },
  truncation: { title: "truncation leaves labels", rule: truncation },
  truncatedEnd: { title: "truncation keeps the end", rule: truncatedEnd },
};

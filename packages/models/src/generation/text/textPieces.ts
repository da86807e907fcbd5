import type { GenerationConfig } from "../../config/generationConfig.ts";
import type { CausalLM } from "../../model/causalLM.ts";
import type { DecodeOptions } from "../../tokenizer/decodeOptions.ts";
import { textAfter } from "../../tokenizer/streamDecoder.ts";
import type { Tokenizer } from "../../tokenizer/tokenizer.ts";
import type { Decoding, EndTest } from "../decoding/decoding.ts";
import { type GenerativeModel, generationSteps, languageModel, repeated } from "../decoding/steps.ts";
import { type GenerateOptions, generationSettings } from "../settings/settings.ts";
import type { StopOptions } from "../settings/stops.ts";
import { RowText } from "./rowText.ts";
import { promptTokens, type TextPrompt } from "./textPrompt.ts";

/** Options of `streamText`: the options of `generate` except `tokenizer`, the options of `decode`, and `badWords`. */
export interface StreamTextOptions extends Omit<GenerateOptions, "tokenizer">, DecodeOptions {
  /** Words that must not occur in the new text, at its start or after a space. Default: none. */
  badWords?: readonly string[];
}

/** A piece of new text, and the index of its sequence. */
interface TextPiece {
  text: string;
  row: number;
}

/** Continues prompts as one batch, and yields their new text in pieces; with beam search, only at the end. */
export async function* textPieces(
  model: GenerativeModel,
  tokenizer: Tokenizer,
  prompts: readonly TextPrompt[],
  { badWords = [], skipSpecialTokens = false, ...options }: StreamTextOptions,
): AsyncGenerator<TextPiece, void, void> {
  const causal = languageModel(model);
  const { generationConfig = causal.generationConfig } = options;
  const eosTokenIds = options.eosTokenIds ?? defaultEos(generationConfig, tokenizer);
  const settings = await generationSettings({ ...options, eosTokenIds }, causal);
  const words = badWords.flatMap((word) => encodings(word, tokenizer));
  // Without bad words the option stays unset, so that no code for bans is loaded.
  const forbidding =
    words.length === 0 ? settings : { ...settings, badWordsIds: [...(settings.badWordsIds ?? []), ...words] };
  const stopping = settings.stop || settings.stopStrings ? await stoppingOf(settings, tokenizer) : null;
  const ids = await Promise.all(prompts.map((prompt) => promptTokens(prompt, tokenizer)));
  const rows = repeated(ids, settings.numReturnSequences).map((prompt) => {
    const reading = { eosTokenIds, skipSpecialTokens };
    return new RowText(tokenizer, prompt, reading, stopping?.filter() ?? null);
  });
  const pieces: TextPiece[] = [];
  const add = (row: number, text: string) => text !== "" && pieces.push({ text, row });
  const push = (row: number, tokens: readonly number[]) => {
    for (const token of tokens) add(row, rows[row].push(token));
    return rows[row].ended;
  };
  const asItComes: EndTest = (row, tokens) => push(row, tokens.slice(-1));
  const atTheEnd: EndTest = (_, tokens, prompt) => stopping?.isStop(prompt, tokens) ?? false;
  const beams = settings.numBeams > 1;
  let last: Decoding | undefined;
  for await (const decoding of generationSteps(causal, ids, forbidding, beams ? atTheEnd : asItComes)) {
    last = decoding;
    yield* pieces.splice(0);
  }
  if (beams) for (const [row, tokens] of (last?.outputs ?? []).entries()) push(row, tokens);
  for (const [row, text] of rows.entries()) add(row, text.flush());
  yield* pieces;
}

/**
 * Loads the code for stop sequences. Returns `filter`, which makes a filter for one sequence, and `isStop`, which
 * returns true if tokens end with a stop sequence.
 */
async function stoppingOf({ stop, stopStrings }: StopOptions, tokenizer: Tokenizer) {
  const [{ readStops, stopTest }, { stopFilter }] = await Promise.all([
    import("../settings/stops.ts"),
    import("./stopFilter.ts"),
  ]);
  const stops = readStops(stop, stopStrings);
  return { filter: () => stopFilter(stops), isStop: stopTest(stops, textAfter(tokenizer)) };
}

/** Returns the default EOS tokens: those in the generation config or, if it has none, the tokenizer's. */
export function defaultEos(config: GenerationConfig | null, { eosTokenId }: Tokenizer): readonly number[] {
  if (config && config.eosTokenIds.length > 0) return config.eosTokenIds;
  return eosTokenId === null ? [] : [eosTokenId];
}

/** Returns the tokens of a word in both forms: without and with a space before it. */
function encodings(word: string, tokenizer: Tokenizer): number[][] {
  return [word.trimStart(), ` ${word.trimStart()}`].map((text) => tokenizer.encode(text, { addSpecialTokens: false }));
}

/**
 * Content of a sample assistant message, used to find the text that the template puts after a message. Templates are
 * unlikely to contain this content.
 */
const marker = "lowrank0answer";

/**
 * Returns the tokens that end an answer in a chat: EOS, and the special token that the chat template puts after an
 * assistant's message. Throws if the tokenizer has no chat template.
 */
export async function chatEnds(model: CausalLM, tokenizer: Tokenizer): Promise<readonly number[]> {
  const eos = defaultEos(model.generationConfig, tokenizer);
  const text = await tokenizer.applyChatTemplate([
    { role: "user", content: "question" },
    { role: "assistant", content: marker },
  ]);
  const rest = text.slice(text.lastIndexOf(marker) + marker.length);
  const [end] = rest === "" ? [] : tokenizer.encode(rest, { addSpecialTokens: false });
  const isSpecial = end !== undefined && tokenizer.decode([end], { skipSpecialTokens: true }) === "";
  return isSpecial && !eos.includes(end) ? [...eos, end] : eos;
}

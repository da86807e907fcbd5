import { type BytePairModel, type LibraryTokenizer, library, type Splitter } from "./library.ts";
import { ruleOf, whole } from "./splitWords.ts";

/** Returns the ids of a text. Throws for a token that has none. */
export type EncodeIds = (text: string, addSpecialTokens: boolean) => number[];

/**
 * Returns what encodes by a tokenizer of the library. Byte-pair tokenizers take a text word by word
 * and remember the ids of words, so that a text of 10 MB takes seconds, and no list of its words is
 * held. The ids are the same: words are split off by the tokenizer's own rule, and each is encoded
 * by itself. `label` is the tokenizer's name in errors.
 */
export function encoderOf(tokenizer: LibraryTokenizer, label: string): EncodeIds {
  const { model, do_lowercase_and_remove_accent: folds } = tokenizer;
  const idsOf = (tokens: readonly string[], text: string): number[] =>
    tokens.map((token) => {
      const id = tokenizer.added_tokens_map.get(token)?.id ?? model.tokens_to_ids.get(token) ?? model.unk_token_id;
      if (id != null) return id;
      const unknown = token === model.unk_token ? unknownIn(tokenizer, text, token) : token;
      throw new Error(
        `tokenizer.json of ${label}: model has no token for ${JSON.stringify(unknown)}; set unk_${model.scores ? "id" : "token"} to one of its vocabulary`,
      );
    });
  if (!(model instanceof library.BPE) || folds) {
    return (text, addSpecialTokens) =>
      idsOf(tokenizer.tokenize_helper(text, { add_special_tokens: addSpecialTokens }).tokens, text);
  }
  const encodeWords = wordEncoder(tokenizer, model, idsOf);
  const around = new Map(
    [true, false].map((add) => [add, specialTokens(tokenizer, add).map((part) => idsOf(part, ""))]),
  );
  return (text, addSpecialTokens) => {
    const [before, after] = around.get(addSpecialTokens) as number[][];
    const ids = new IdList();
    for (const id of before) ids.push(id);
    for (const [index, section] of sections(tokenizer, tokenizer.splitter_unnormalized, text).entries()) {
      const added = tokenizer.added_tokens_map.get(section);
      if (added) ids.push(added.id);
      else if (section !== "") encodeSection(section, index, ids);
    }
    for (const id of after) ids.push(id);
    return ids.toArray();
  };

  function encodeSection(section: string, index: number, ids: IdList): void {
    const plain = tokenizer.remove_space === true ? section.trim().split(/\s+/).join(" ") : section;
    const normal = tokenizer.normalizer ? tokenizer.normalizer(plain) : plain;
    for (const part of sections(tokenizer, tokenizer.splitter_normalized, normal)) {
      const added = tokenizer.added_tokens_map.get(part);
      if (added) ids.push(added.id);
      else if (part !== "") encodeWords(part, index, ids);
    }
  }
}

/** Returns the first character of a text whose token is the unknown one, or the text. */
const unknownIn = (tokenizer: LibraryTokenizer, text: string, unknownToken: string): string =>
  Array.from(text).find((character) => tokenizer.tokenize_helper(character, {}).tokens.includes(unknownToken)) ?? text;

/** Splits off added tokens; those that say so take the white space beside them away. */
function sections({ added_tokens_map }: LibraryTokenizer, splitter: Splitter, text: string): string[] {
  const parts = splitter.split(text);
  for (const [i, part] of parts.entries()) {
    const added = added_tokens_map.get(part);
    if (added?.lstrip && i > 0) parts[i - 1] = parts[i - 1].trimEnd();
    if (added?.rstrip && i < parts.length - 1) parts[i + 1] = parts[i + 1].trimStart();
  }
  return parts;
}

/** The tokens that stand before and behind a text: those around one that the text has not. */
function specialTokens({ post_processor }: LibraryTokenizer, add: boolean): [string[], string[]] {
  if (!post_processor) return [[], []];
  const { tokens } = post_processor(["\uFDD0"], null, add);
  const at = tokens.indexOf("\uFDD0");
  return [tokens.slice(0, at), tokens.slice(at + 1)];
}

/** Ids in a list before they are packed: a list that grows to millions is copied many times. */
const idsInPiece = 65_536;

/** Gathers the ids of a text. */
class IdList {
  readonly #pieces: Int32Array[] = [];
  #last: number[] = [];

  push(id: number): void {
    if (this.#last.length === idsInPiece) {
      this.#pieces.push(Int32Array.from(this.#last));
      this.#last = [];
    }
    this.#last.push(id);
  }

  toArray(): number[] {
    if (this.#pieces.length === 0) return this.#last;
    const ids = new Array<number>(this.#pieces.length * idsInPiece + this.#last.length);
    let at = 0;
    for (const piece of [...this.#pieces, this.#last]) for (const id of piece) ids[at++] = id;
    return ids;
  }
}

/** Appends the ids of a text without added tokens. */
type EncodeWords = (text: string, sectionIndex: number, ids: IdList) => void;

function wordEncoder(
  { pre_tokenizer }: LibraryTokenizer,
  model: BytePairModel,
  idsOf: (tokens: readonly string[], text: string) => number[],
): EncodeWords {
  const { split, write = (word: string) => word } = pre_tokenizer ? ruleOf(pre_tokenizer) : whole;
  const known = remembering((word) => idsOf(model.encode([write(word)]), word));
  const cut = cutter(model);
  const unknown = model.fuse_unk ? model.unk_token_id : undefined;
  return (text, section_index, ids) => {
    let previous: number | undefined;
    for (const word of split(text, { section_index })) {
      for (const part of cut(word)) {
        for (const id of known(part)) {
          // A run of unknown characters is one unknown token.
          if (unknown === undefined || id !== unknown || previous !== unknown) ids.push(id);
          previous = id;
        }
      }
    }
  };
}

/** Words of fewer characters are not cut. */
const longWord = 1000;

/**
 * Returns what cuts long words wherever no merge joins the characters on both sides: the parts have
 * the tokens that they have in the whole. A model that drops characters, for it has no unknown
 * token, might merge what stood on both sides of one: its words stay whole.
 */
function cutter(model: BytePairModel): (word: string) => Iterable<string> {
  const { merges, unk_token, end_of_word_suffix: end, continuing_subword_suffix: continuing } = model;
  const canCut = unk_token != null && !end && !continuing;
  let joined: ReadonlySet<string> | undefined;
  return (word) => {
    if (!canCut || word.length < longWord || model.tokens_to_ids.has(word)) return [word];
    joined ??= new Set(merges.map(([a, b]) => `${a.at(-1)}${b[0]}`));
    return partsOf(word, joined);
  };
}

/** Cuts a word between characters that are not joined; halves of a surrogate pair stay together. */
function* partsOf(word: string, joined: ReadonlySet<string>): Generator<string> {
  let start = 0;
  for (let at = 1; at < word.length; at++) {
    if (joined.has(word[at - 1] + word[at]) || (word.charCodeAt(at) & 0xfc00) === 0xdc00) continue;
    yield word.slice(start, at);
    start = at;
  }
  yield word.slice(start);
}

/** Words that are remembered, and their length: longer ones would hold on to their text. */
const mostWords = 20_000;
const longestKnown = 12;

/** Remembers results of short words; where there are too many, it begins anew. */
function remembering<T>(make: (word: string) => T): (word: string) => T {
  const known = new Map<string, T>();
  return (word) => {
    const found = known.get(word);
    if (found !== undefined) return found;
    const made = make(word);
    if (word.length > longestKnown) return made;
    if (known.size >= mostWords) known.clear();
    known.set(word, made);
    return made;
  };
}

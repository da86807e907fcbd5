import { type ByteLevelPreTokenizer, type LibraryTokenizer, library, type PreTokenizer } from "./library.ts";

/** Splits a text into words. */
type Split = (text: string, options?: object) => Iterable<string>;

/** A rule that splits a text into words, and writes each in the characters of the vocabulary. */
interface Rule {
  readonly split: Split;
  readonly write?: (word: string) => string;
}

/**
 * Makes a byte-pair tokenizer of the library take a text word by word, and remember the tokens of
 * words. The ids are the same: each word is split off by the tokenizer's own rule and encoded by
 * itself, as before. A text of 10 MB then takes seconds, and no list of its words is held.
 */
export function goWordByWord({ pre_tokenizer, model }: LibraryTokenizer): void {
  if (!(model instanceof library.BPE)) return;
  const { split, write = (word: string) => word } = pre_tokenizer ? ruleOf(pre_tokenizer) : whole;
  if (pre_tokenizer) pre_tokenizer._call = split;
  const own = model.encode.bind(model);
  const known = remembering((word) => own([write(word)]));
  model.encode = (words) => {
    const tokens: string[] = [];
    for (const word of words) {
      const some = known(word);
      for (let i = 0; i < some.length; i++) tokens.push(some[i]);
    }
    return tokens;
  };
}

const whole: Rule = { split: (text) => [text] };

/** Returns the rule of a pre-tokenizer, which takes one word after another where it is known. */
function ruleOf(part: PreTokenizer): Rule {
  if (part instanceof library.SequencePreTokenizer) {
    return part.tokenizers.flatMap((inner) => (inner ? [ruleOf(inner)] : [])).reduce(inTurn, whole);
  }
  if (part instanceof library.DigitsPreTokenizer) return { split: (text) => matches(text, part.pattern) };
  if (part instanceof library.ByteLevelPreTokenizer) {
    const spaced = (text: string) => (part.add_prefix_space && !text.startsWith(" ") ? ` ${text}` : text);
    return {
      split: (text) => (part.use_regex ? matches(spaced(text), part.pattern) : [spaced(text)]),
      write: byteWriter(part),
    };
  }
  if (part instanceof library.SplitPreTokenizer && part.pattern instanceof RegExp && !removes(part.config)) {
    const { pattern } = part;
    return { split: (text) => matchesAndGaps(text, pattern) };
  }
  return { split: (text, options) => part.pre_tokenize_text(text, options) };
}

/** True if a splitter keeps the matches alone, or what is between them. */
const removes = ({ invert, behavior }: { invert?: boolean; behavior?: string }): boolean =>
  invert === true || behavior?.toLowerCase() === "removed";

/** Splits by one rule and then by the next. */
function inTurn(before: Rule, { split, write }: Rule): Rule {
  const given = before.write ?? ((word: string) => word);
  return {
    split: function* (text, options) {
      for (const word of before.split(text, options)) yield* split(given(word), options);
    },
    write,
  };
}

function* matches(text: string, pattern: RegExp): Generator<string> {
  for (const [word] of text.matchAll(pattern)) yield word;
}

function* matchesAndGaps(text: string, pattern: RegExp): Generator<string> {
  let end = 0;
  for (const match of text.matchAll(pattern)) {
    if (match.index > end) yield text.slice(end, match.index);
    if (match[0] !== "") yield match[0];
    end = match.index + match[0].length;
  }
  if (end < text.length) yield text.slice(end);
}

/** Returns what writes a word as one character a byte. */
function byteWriter({ byte_encoder }: ByteLevelPreTokenizer): (word: string) => string {
  const encoder = new TextEncoder();
  return (word) => {
    let written = "";
    for (const byte of encoder.encode(word)) written += byte_encoder[byte];
    return written;
  };
}

/** Words of fewer characters are not cut. */
const longWord = 1000;

/**
 * Cuts a long word, a text with U+2581 for spaces, before each such sign that stands behind another
 * character. No token has one there unless a merge makes it, so the parts have the tokens that they
 * have in the whole.
 */
export function cutLongWords(model: object): void {
  if (!(model instanceof library.BPE)) return;
  const { merges, end_of_word_suffix: end, continuing_subword_suffix: continuing } = model;
  const own = model.bpe.bind(model);
  const known = remembering(own);
  let canCut: boolean | undefined;
  model.bpe = (word) => {
    if (word.length < longWord || end || continuing) return own(word);
    canCut ??= !merges.some(([a, b]) => /[^\u2581]\u2581/u.test(a + b));
    if (!canCut) return own(word);
    const tokens: string[] = [];
    for (const part of matches(word, /\u2581*[^\u2581]+|\u2581+/gu))
      for (const token of known(part)) tokens.push(token);
    return tokens;
  };
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

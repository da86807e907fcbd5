import { type ByteLevelPreTokenizer, library, type PreTokenizer } from "./library.ts";

/** Splits a text into words. */
type Split = (text: string, options?: object) => Iterable<string>;

/** A rule that splits a text into words, and writes each in the characters of the vocabulary. */
export interface Rule {
  readonly split: Split;
  readonly write?: (word: string) => string;
}

/** The rule of a tokenizer without one: a text is one word. */
export const whole: Rule = { split: (text) => [text] };

/** Returns the rule of a pre-tokenizer, which takes one word after another where it is known. */
export function ruleOf(part: PreTokenizer): Rule {
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

import { bytesToLetters } from "./byteLetters.ts";
import { punctuation, space, wordCharacter } from "./codePoints.ts";
import { Growth } from "./growth.ts";
import { type PatternJson, patternOf } from "./pattern.ts";
import { type Split, type SplitBehavior, splitBy } from "./splits.ts";

/**
 * `split` splits a text into words. `write`, which only byte-level pre-tokenizers have, rewrites a word: it replaces
 * each byte by the character that represents the byte in the vocabulary.
 */
export interface PreTokenizer {
  /** Throws `TextGrowthError` if the words become much longer than the text. */
  readonly split: (...args: [...Parameters<Split>, growth?: Growth]) => Iterable<string>;
  readonly write?: (word: string) => string;
}

/** A pre-tokenizer in `tokenizer.json`, with the fields of all pre-tokenizer types. */
export interface PreTokenizerJson {
  readonly type: string;
  readonly pretokenizers?: readonly PreTokenizerJson[];
  readonly pattern?: PatternJson;
  readonly content?: string;
  readonly behavior?: SplitBehavior;
  readonly invert?: boolean;
  readonly individual_digits?: boolean;
  readonly add_prefix_space?: boolean;
  readonly use_regex?: boolean;
  readonly replacement?: string;
  readonly prepend_scheme?: "always" | "first" | "never";
  readonly split?: boolean;
  readonly delimiter?: string;
  readonly length?: number;
}

const one = new RegExp(space, "gu");
const gpt2 = new RegExp(
  `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^${space}\\p{L}\\p{N}]+|${space}+(?![^${space}])|${space}+`,
  "gu",
);
const wordsAndSigns = new RegExp(`[${wordCharacter}]+|[^${wordCharacter}${space}]+`, "gu");

const makers: Readonly<Record<string, (json: PreTokenizerJson) => PreTokenizer>> = {
  BertPreTokenizer: () => inTurn({ split: splitBy(one, "Removed") }, { split: splitBy(punctuation, "Isolated") }),
  Sequence: ({ pretokenizers = [] }) => pretokenizers.map(preTokenizerOf).reduce(inTurn, whole),
  Whitespace: () => ({ split: splitBy(wordsAndSigns, "Removed", true) }),
  WhitespaceSplit: () => ({ split: splitBy(one, "Removed") }),
  Metaspace: metaspace,
  ByteLevel: byteLevel,
  Split: ({ pattern = {}, behavior = "Isolated", invert }) => ({
    split: splitBy(patternOf(pattern), behavior, invert),
  }),
  Punctuation: ({ behavior = "Isolated" }) => ({ split: splitBy(punctuation, behavior) }),
  Digits: ({ individual_digits }) => ({ split: splitBy(/\p{N}/gu, individual_digits ? "Isolated" : "Contiguous") }),
  CharDelimiterSplit: ({ delimiter = " " }) => ({ split: splitBy(patternOf({ String: delimiter }), "Removed") }),
  Replace: ({ pattern = {}, content = "" }) => {
    const expression = patternOf(pattern);
    return {
      split: (text, _atStart, growth = new Growth(text.length)) => [
        text.replaceAll(expression, growth.replacing(content)),
      ],
    };
  },
  FixedLength: ({ length = 5 }) => ({ split: splitBy(new RegExp(`[^]{1,${length}}`, "gu"), "Isolated") }),
};

/** The pre-tokenizer that keeps a text as one word. */
const whole: PreTokenizer = { split: (text) => [text] };

/** Makes the pre-tokenizer of a `tokenizer.json`; null keeps a text as one word. */
export function preTokenizerOf(json: PreTokenizerJson | null): PreTokenizer {
  if (json === null) return whole;
  const make = makers[json.type];
  if (!make) throw new Error(`pre_tokenizer ${JSON.stringify(json.type)} is unknown`);
  return make(json);
}

/** Combines two pre-tokenizers: the second is applied to each word of the first. */
function inTurn(before: PreTokenizer, { split, write }: PreTokenizer): PreTokenizer {
  const written = before.write ?? ((word: string) => word);
  return {
    split: function* (text, atStart, growth = new Growth(text.length)) {
      let first = true;
      for (const word of before.split(text, atStart, growth)) {
        const letters = written(word);
        growth.add(letters.length - word.length);
        if (word !== "") yield* split(letters, atStart && first, growth);
        else if (first) yield "";
        first = false;
      }
    },
    write,
  };
}

function metaspace(json: PreTokenizerJson): PreTokenizer {
  const { replacement = "▁", prepend_scheme: scheme = "always", split: splits = true } = json;
  const words = splitBy(patternOf({ String: replacement }), "MergedWithNext");
  return {
    split: (text, atStart, growth = new Growth(text.length)) => {
      const marked = text.replaceAll(" ", growth.replacing(replacement));
      const prepends = scheme === "always" || (scheme === "first" && atStart);
      const begun = prepends && !marked.startsWith(replacement) ? replacement + marked : marked;
      growth.add(begun.length - marked.length);
      return splits ? words(begun, atStart) : [begun];
    },
  };
}

function byteLevel({ add_prefix_space, use_regex = true }: PreTokenizerJson): PreTokenizer {
  const spaced = (text: string) => (add_prefix_space && !text.startsWith(" ") ? ` ${text}` : text);
  const words = splitBy(gpt2, "Isolated");
  return {
    split: (text, atStart) => (use_regex ? words(spaced(text), atStart) : [spaced(text)]),
    write: bytesToLetters,
  };
}

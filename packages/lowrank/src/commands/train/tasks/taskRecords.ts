import type { ChatMessage, Tokenizer } from "@lowrank/models";
import {
  type ContrastExample,
  type KTOExample,
  type PreferenceExample,
  type PreferenceText,
  type RewardExample,
  type TokenizedExample,
  tokenizeExample,
  tokenizePreference,
  tokenizeTags,
} from "@lowrank/train";
import type { RecordForm, RecordReader } from "@lowrank/train/internal";

type Fields = Readonly<Record<string, unknown>>;

/** Creates a parser for one format of data records. Its errors describe the expected and the actual record. */
function formOf<Parsed>(name: string, expected: string, read: (record: Fields) => Parsed): RecordForm<Parsed> {
  return {
    name,
    parse: ({ value, where }) => {
      const record = Object(value) as Fields;
      try {
        return read(record);
      } catch (error) {
        const keys = Object.keys(record).join(", ") || "none";
        throw new Error(`${where}: ${(error as Error).message}; expected ${expected}, found keys ${keys}`, {
          cause: error,
        });
      }
    },
  };
}

/** Returns the total number of tokens of some texts. */
const tokensIn = (...texts: readonly { inputIds: readonly number[] }[]): number =>
  texts.reduce((sum, { inputIds }) => sum + inputIds.length, 0);

/** Format of preference pairs: {"prompt", "chosen", "rejected"} as texts or as messages of a conversation. */
export const pairForm: RecordForm<PreferenceText> = formOf("pairs", '{"prompt", "chosen", "rejected"}', pairOf);

/** Returns a reader that tokenizes both answers of preference pairs. */
export function pairReader(tokenizer: Tokenizer): RecordReader<PreferenceText, PreferenceExample> {
  return {
    ...pairForm,
    tokenize: (pair) => tokenizePreference(tokenizer, pair),
    tokens: ({ chosen, rejected }) => tokensIn(chosen, rejected),
  };
}

/**
 * Returns the preference pair in a record. If `chosen` and `rejected` are conversations and `prompt` is missing, the
 * messages that both have in common at the start become the prompt.
 */
function pairOf({ prompt, chosen, rejected }: Fields): PreferenceText {
  if (JSON.stringify(chosen) === JSON.stringify(rejected)) throw new Error("chosen and rejected are the same");
  if (typeof prompt === "string" && typeof chosen === "string" && typeof rejected === "string") {
    if (chosen === "") throw new Error("chosen is empty");
    return { prompt, chosen, rejected };
  }
  if (!isMessages(chosen) || !isMessages(rejected))
    throw new Error("chosen or rejected is neither a text nor a list of messages");
  if (isMessages(prompt)) return { prompt, chosen, rejected };
  if (prompt !== undefined) throw new Error("prompt is not a list of messages, although chosen and rejected are");
  const same = (i: number) => JSON.stringify(chosen[i]) === JSON.stringify(rejected[i]);
  let common = 0;
  while (common < Math.min(chosen.length, rejected.length) - 1 && same(common)) common++;
  if (common === 0) throw new Error("prompt is missing, and chosen and rejected do not begin with the same message");
  return { prompt: chosen.slice(0, common), chosen: chosen.slice(common), rejected: rejected.slice(common) };
}

const isMessages = (value: unknown): value is ChatMessage[] =>
  Array.isArray(value) && value.length > 0 && value.every((part) => typeof part?.content === "string");

/** Prompt and answer with a label. The label is true for a good answer. */
type Judged = ({ prompt: string; completion: string } | { prompt: ChatMessage[]; completion: ChatMessage[] }) & {
  desirable: boolean;
};

/** Format of labelled answers: {"prompt", "completion", "label"}, with label true for a good completion. */
export const ktoForm: RecordForm<Judged> = formOf(
  "judged answers",
  '{"prompt", "completion", "label"} with a label of true or false',
  ({ prompt, completion, label }) => {
    const desirable = labelOf(label);
    if (isMessages(prompt) && isMessages(completion)) return { prompt, completion, desirable };
    if (typeof prompt !== "string" || typeof completion !== "string")
      throw new Error("prompt or completion is not a text");
    if (completion === "") throw new Error("completion is empty");
    return { prompt, completion, desirable };
  },
);

function labelOf(label: unknown): boolean {
  // Table formats store booleans as texts or numbers.
  const found = { true: true, false: false, "1": true, "0": false }[String(label).toLowerCase()];
  if (found !== undefined) return found;
  throw new Error(`label is ${JSON.stringify(label)}`);
}

/** Returns a reader that tokenizes labelled answers. */
export function ktoReader(tokenizer: Tokenizer): RecordReader<Judged, KTOExample> {
  return {
    ...ktoForm,
    tokenize: async ({ desirable, ...text }) => {
      if (typeof text.prompt === "string") {
        return { ...(await tokenizeExample(tokenizer, text as { prompt: string; completion: string })), desirable };
      }
      const { prompt, completion } = text as { prompt: ChatMessage[]; completion: ChatMessage[] };
      const { chosen } = await tokenizePreference(tokenizer, { prompt, chosen: completion, rejected: completion });
      return { ...chosen, desirable };
    },
    tokens: (example) => tokensIn(example),
  };
}

/** Two texts, of which the first is better. */
interface Rewarded {
  readonly pair: PreferenceText;
  readonly margin?: number;
}

/**
 * Format of reward pairs: {"prompt", "chosen", "rejected"}, or whole texts without a prompt, with an optional "margin".
 */
export const rewardForm: RecordForm<Rewarded> = formOf(
  "rewarded pairs",
  '{"chosen", "rejected"} with or without "prompt" and a number "margin"',
  ({ prompt, chosen, rejected, margin }) => {
    const pair = pairOf({ prompt: prompt ?? (typeof chosen === "string" ? "" : undefined), chosen, rejected });
    if (margin === undefined || margin === null || margin === "") return { pair };
    const ahead = Number(margin);
    if (!Number.isFinite(ahead)) throw new Error(`margin is ${JSON.stringify(margin)}`);
    return { pair, margin: ahead };
  },
);

/** Returns a reader that tokenizes both texts of reward pairs. */
export function rewardReader(tokenizer: Tokenizer): RecordReader<Rewarded, RewardExample> {
  return {
    ...rewardForm,
    tokenize: async ({ pair, margin }) => {
      const { chosen, rejected } = await tokenizePreference(tokenizer, pair);
      const texts = { chosen: { inputIds: chosen.inputIds }, rejected: { inputIds: rejected.inputIds } };
      return margin === undefined ? texts : { ...texts, margin };
    },
    tokens: ({ chosen, rejected }) => tokensIn(chosen, rejected),
  };
}

/** Words of a text, with a label name for each. */
interface Tagged {
  readonly words: readonly string[];
  readonly tags: readonly string[];
}

/**
 * Format of tagged words: {"words", "tags"}, or "tokens" and "ner_tags", as lists or as texts separated by spaces. Tags
 * are label names or indices in `labels`; if `labels` is null, any name is valid.
 */
export function taggedForm(labels: readonly string[] | null): RecordForm<Tagged> {
  const name = `tagged words ${labels?.join() ?? ""}`;
  return formOf(name, '{"words": [...], "tags": [...]}', ({ words, tokens, tags, ner_tags }) => {
    const given = partsOf(words ?? tokens, "words").map((word) => {
      if (typeof word === "string" && word.trim() !== "") return word;
      throw new Error(`a word is ${JSON.stringify(word)}`);
    });
    const named = partsOf(tags ?? ner_tags, "tags").map((tag) => nameOf(tag, labels));
    if (given.length === 0) throw new Error("the list of words is empty");
    if (given.length === named.length) return { words: given, tags: named };
    throw new Error(`there are ${given.length} words but ${named.length} tags`);
  });
}

function partsOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  if (typeof value === "string") return value.split(/\s+/).filter((part) => part !== "");
  throw new Error(`${name} are ${value === undefined ? "missing" : JSON.stringify(value)}`);
}

function nameOf(tag: unknown, labels: readonly string[] | null): string {
  const isNumber = typeof tag === "number" || (typeof tag === "string" && /^\d+$/.test(tag) && !labels?.includes(tag));
  if (isNumber && labels === null)
    throw new Error(`a tag is the number ${tag}; give the names of the tags with --labels O,B-PER,...`);
  const name = isNumber ? labels?.[Number(tag)] : tag;
  if (typeof name === "string" && name !== "" && (labels === null || labels.includes(name))) return name;
  throw new Error(
    `a tag is ${JSON.stringify(tag)}${labels === null ? "" : `, which is not among the labels ${labels.join(", ")}`}`,
  );
}

/** Returns a reader that converts tagged words to tokens with label indices. */
export function taggedReader(tokenizer: Tokenizer, labels: readonly string[]): RecordReader<Tagged, TokenizedExample> {
  const numbers = new Map(labels.map((name, i) => [name, i]));
  return {
    ...taggedForm(labels),
    tokenize: async ({ words, tags }) =>
      tokenizeTags(tokenizer, { words, tags: tags.map((tag) => numbers.get(tag) as number) }),
    tokens: (example) => tokensIn(example),
  };
}

/** Two texts that belong together, and optionally one that does not. */
interface Contrast {
  readonly anchor: string;
  readonly positive: string;
  readonly negative?: string;
}

/** Format of contrast examples: {"anchor", "positive"}, with or without "negative". */
export const contrastForm: RecordForm<Contrast> = formOf(
  "contrast",
  '{"anchor", "positive"} with or without "negative"',
  ({ anchor, positive, negative }) => {
    const hasNegative = negative !== undefined && negative !== null && negative !== "";
    const texts = { anchor, positive, ...(hasNegative && { negative }) };
    for (const [name, text] of Object.entries(texts)) {
      if (typeof text !== "string" || text.trim() === "") throw new Error(`${name} is ${shown(text)}`);
    }
    return texts as Contrast;
  },
);

const shown = (value: unknown): string => (value === undefined ? "missing" : JSON.stringify(value));

/** Returns a reader that tokenizes contrast examples. */
export function contrastReader(tokenizer: Tokenizer): RecordReader<Contrast, ContrastExample> {
  const row = (text: string) => ({ inputIds: tokenizer.encode(text) });
  return {
    ...contrastForm,
    tokenize: async ({ anchor, positive, negative }) => {
      const both = { anchor: row(anchor), positive: row(positive) };
      return negative === undefined ? both : { ...both, negative: row(negative) };
    },
    tokens: ({ anchor, positive, negative }) => tokensIn(anchor, positive, ...(negative ? [negative] : [])),
  };
}

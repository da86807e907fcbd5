import { type Example, toExample } from "../data/example.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../data/tokenize.ts";

/** A kind of records, and the check of one. */
export interface RecordForm<Parsed> {
  /** Tells it from others: an index of the one is none of the other. */
  readonly name: string;
  /** Checks a record's value. Throws, naming the place `where`, for one that is none. */
  parse(record: { readonly value: unknown; readonly where: string }): Parsed;
}

/** The way from records of a kind to examples. */
export interface RecordReader<Parsed, Tokenized> extends RecordForm<Parsed> {
  tokenize(record: Parsed): Promise<Tokenized>;
  /** Counts the tokens of an example. */
  tokens(example: Tokenized): number;
}

/** The form of texts, prompts with completions, and conversations. */
export const exampleForm: RecordForm<Example> = {
  name: "examples",
  parse: (record) => {
    const example = toExample(record);
    if (!("messages" in example) || example.messages.some(({ role }) => role === "assistant")) return example;
    throw new Error(`${record.where}: a conversation without an assistant turn has nothing to learn`);
  },
};

/** Reads records of that form as the tokens that a language model learns. */
export function exampleReader(tokenizer: ExampleTokenizer): RecordReader<Example, TokenizedExample> {
  return {
    ...exampleForm,
    tokenize: (example) => tokenizeExample(tokenizer, example),
    tokens: ({ inputIds }) => inputIds.length,
  };
}

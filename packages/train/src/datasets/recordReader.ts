import { type Example, toExample } from "../data/example.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../data/tokenize.ts";

/** A kind of records and its validation. */
export interface RecordForm<Parsed> {
  /** Identifies the kind in an index file. */
  readonly name: string;
  /** Validates a record's value. Throws, with the position `where`, if it is invalid. */
  parse(record: { readonly value: unknown; readonly where: string }): Parsed;
}

/** Converts records of a kind to tokenized examples. */
export interface RecordReader<Parsed, Tokenized> extends RecordForm<Parsed> {
  tokenize(record: Parsed): Promise<Tokenized>;
  /** Counts the tokens of an example. */
  tokens(example: Tokenized): number;
}

/** The kind of texts, prompts with completions, and conversations. */
export const exampleForm: RecordForm<Example> = {
  name: "examples",
  parse: (record) => {
    const example = toExample(record);
    if (!("messages" in example) || example.messages.some(({ role }) => role === "assistant")) return example;
    throw new Error(`${record.where}: a conversation without an assistant turn has nothing to learn`);
  },
};

/** Returns a reader of such records that tokenizes them for a language model. */
export function exampleReader(tokenizer: ExampleTokenizer): RecordReader<Example, TokenizedExample> {
  return {
    ...exampleForm,
    tokenize: (example) => tokenizeExample(tokenizer, example),
    tokens: ({ inputIds }) => inputIds.length,
  };
}

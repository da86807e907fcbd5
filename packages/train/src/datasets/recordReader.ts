import { type Example, toExample } from "../data/tokens/example.ts";
import { type ExampleTokenizer, type TokenizedExample, tokenizeExample } from "../data/tokens/tokenize.ts";

/** A form of records (such as examples for a language model), and how to validate them. */
export interface RecordForm<Parsed> {
  /** Name of the form, which index files contain. */
  readonly name: string;
  /**
   * Validates a record and returns it in its final type. Throws an error with the position `where` if it is invalid.
   */
  parse(record: { readonly value: unknown; readonly where: string }): Parsed;
}

/** Validates records of one form and converts them to tokenized examples. */
export interface RecordReader<Parsed, Tokenized> extends RecordForm<Parsed> {
  tokenize(record: Parsed): Promise<Tokenized>;
  /** Returns the number of tokens in a tokenized example. */
  tokens(example: Tokenized): number;
}

/** The form of examples for a language model: texts, prompts with completions, and conversations. */
export const exampleForm: RecordForm<Example> = {
  name: "examples",
  parse: (record) => {
    const example = toExample(record);
    if (!("messages" in example) || example.messages.some(({ role }) => role === "assistant")) return example;
    throw new Error(`${record.where}: a conversation without an assistant turn has nothing to learn`);
  },
};

/** Returns a reader that tokenizes records of `exampleForm` for a language model. */
export function exampleReader(tokenizer: ExampleTokenizer): RecordReader<Example, TokenizedExample> {
  return {
    ...exampleForm,
    tokenize: (example) => tokenizeExample(tokenizer, example),
    tokens: ({ inputIds }) => inputIds.length,
  };
}

import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";
import { JobRefused } from "@lowrank/serve/jobs";
import {
  type ExampleTokenizer,
  type PreferenceExample,
  type PreferenceText,
  type TokenizedExample,
  toExample,
  tokenizeExample,
  tokenizePreference,
} from "@lowrank/train";

/** Number of invalid lines after which reading a file stops. */
const mostProblems = 10;

/** Reads one record of a training file. Throws if the record is not an example. */
type ReadRecord<E> = (tokenizer: ExampleTokenizer, value: unknown) => Promise<E>;

/** Reads a supervised example: a conversation, a prompt with its completion, or a text. */
export const readSupervised: ReadRecord<TokenizedExample> = async (tokenizer, value) => {
  return tokenizeExample(tokenizer, toExample({ value, where: "the example" }));
};

/** Reads a preference pair, in OpenAI's or TRL's format. */
export const readPreference: ReadRecord<PreferenceExample> = async (tokenizer, value) => {
  const record = Object(value) as Record<string, unknown>;
  const messages = (name: string, found: unknown) => {
    const example = toExample({ value: { messages: found }, where: name });
    return "messages" in example ? example.messages : [];
  };
  if (record.input !== undefined) {
    return tokenizePreference(tokenizer, {
      prompt: messages("input", Object(record.input).messages),
      chosen: messages("preferred_output", record.preferred_output),
      rejected: messages("non_preferred_output", record.non_preferred_output),
    });
  }
  const { prompt, chosen, rejected } = record;
  if ([prompt, chosen, rejected].every((text) => typeof text === "string")) {
    return tokenizePreference(tokenizer, { prompt, chosen, rejected } as PreferenceText);
  }
  const keys = Object.keys(record).join(", ") || "(none)";
  throw new Error(
    `found keys ${keys}; a comparison is {"input": {"messages"}, "preferred_output", "non_preferred_output"} or {"prompt", "chosen", "rejected"}`,
  );
};

/**
 * Reads the examples in a job's JSONL file. Throws `JobRefused` if a line is invalid. Its message lists up to ten
 * invalid lines with the reasons. `param` is the field of the job's request that names the file.
 */
export async function readExamples<E>(
  path: string,
  tokenizer: ExampleTokenizer,
  read: ReadRecord<E>,
  param: "training_file" | "validation_file",
): Promise<E[]> {
  const examples: E[] = [];
  const problems: string[] = [];
  let number = 0;
  for await (const line of createInterface({ input: createReadStream(path), crlfDelay: Number.POSITIVE_INFINITY })) {
    number++;
    if (line.trim() === "") continue;
    try {
      examples.push(await read(tokenizer, JSON.parse(line)));
    } catch (error) {
      problems.push(`line ${number}: ${(error as Error).message}`);
      if (problems.length === mostProblems) break;
    }
  }
  if (problems.length === 0 && examples.length > 0) return examples;
  const found = problems.length > 0 ? problems.join("\n") : "it holds no example";
  const code = `invalid_${param}`;
  const more = problems.length === mostProblems ? "\nThe lines after these were not read." : "";
  throw new JobRefused({ code, message: `The file of ${param} does not fit the method. ${found}${more}`, param });
}

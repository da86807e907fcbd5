import { readFile } from "node:fs/promises";
import type { ChatMessage, TextPrompt } from "@lowrank/models";
import { answerPrompts } from "@lowrank/train";
import { parseJson } from "../../cli/loading/modelConfig.ts";
import type { MeasuredModel, TaskOptions } from "./evalTask.ts";

/** Record of a data file. `place` is its position in the file, for messages. */
export interface PlacedRecord {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly place: string;
}

/** Reads a text file. Throws an error that names the file if it does not exist or cannot be read. */
export function readText(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new Error(error.code === "ENOENT" ? `there is no file ${path}` : `${path} cannot be read: ${error.message}`);
  });
}

/** Reads at most `limit` objects of a JSON or JSONL file. Errors contain the object's position in the file. */
export async function readRecords(path: string, limit: number = Number.POSITIVE_INFINITY): Promise<PlacedRecord[]> {
  const text = await readText(path);
  const values = text.trimStart().startsWith("[")
    ? (parseJson(text, path) as unknown[]).map((value, i) => ({ value, place: `${path}, record ${i + 1}` }))
    : text
        .split("\n")
        .map((line, i) => ({ line, place: `${path}, line ${i + 1}` }))
        .filter(({ line }) => line.trim() !== "")
        .slice(0, limit)
        .map(({ line, place }) => ({ value: parseJson(line, place), place }));
  const records = values.slice(0, limit).map(({ value, place }) => {
    if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      return { fields: value as Record<string, unknown>, place };
    }
    throw new Error(`${place}: expected an object, and found ${JSON.stringify(value).slice(0, 40)}`);
  });
  if (records.length === 0) throw new Error(`${path} holds no records`);
  return records;
}

/**
 * Returns the first of the named fields that holds a string. If there is none, throws an error with the record's
 * position and the names.
 */
export function textField({ fields, place }: PlacedRecord, names: readonly string[]): string {
  const name = names.find((candidate) => typeof fields[candidate] === "string");
  if (name !== undefined) return fields[name] as string;
  throw new Error(
    `${place}: expected a text ${names.map((n) => `"${n}"`).join(" or ")}; it has ${Object.keys(fields).join(", ")}`,
  );
}

/**
 * Generates an answer to each prompt. If `chat` is true, each prompt is sent as a user message in the model's chat
 * template, after the `system` message if it is given.
 */
export function answering(
  { model, tokenizer, eosTokenIds, onProgress }: MeasuredModel,
  prompts: readonly string[],
  { batchSize, chat, system }: TaskOptions,
  limits: { maxNewTokens: number; stop: readonly string[] },
): Promise<string[]> {
  const before: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }];
  const written = prompts.map((content): TextPrompt => (chat ? [...before, { role: "user", content }] : content));
  return answerPrompts(model, tokenizer, written, { ...limits, batchSize, eosTokenIds, onProgress });
}

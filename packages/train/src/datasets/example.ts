import type { ChatMessage } from "@lowrank/models";
import type { JsonRecord } from "./jsonRecords.ts";

/** Text of which every token is learned. */
export interface TextExample {
  text: string;
}

/** A prompt, which is given, and the completion to learn. */
export interface CompletionExample {
  prompt: string;
  completion: string;
}

/** A conversation, of which the assistant's turns are learned. */
export interface ChatExample {
  messages: ChatMessage[];
}

/** An example of a data set. */
export type Example = TextExample | CompletionExample | ChatExample;

const accepted = '{"text"}, {"prompt", "completion"} or {"messages": [{"role", "content"}]}';

/**
 * Checks that a JSON value is an example; other keys are left out. Errors name the
 * place `where` and the value.
 */
export function toExample({ value, where }: JsonRecord): Example {
  if (typeof value === "string") return { text: value };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${where}: found ${show(value)}; an example is ${accepted}`);
  }
  const { text, prompt, completion, messages } = value as Record<string, unknown>;
  const kinds = [text !== undefined, prompt !== undefined || completion !== undefined, messages !== undefined];
  if (kinds.filter(Boolean).length !== 1) {
    throw new Error(`${where}: found keys ${Object.keys(value).join(", ") || "(none)"}; an example is ${accepted}`);
  }
  if (text !== undefined) return { text: string(text, "text", where) };
  if (messages !== undefined) return { messages: toMessages(messages, where) };
  return { prompt: string(prompt, "prompt", where), completion: string(completion, "completion", where) };
}

function toMessages(messages: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new Error(`${where}: messages is ${show(messages)}; expected a list of {"role", "content"}`);
  }
  return messages.map((message, i) => {
    const { role, content } = Object(message) as { role?: unknown; content?: unknown };
    return {
      role: string(role, `messages[${i}].role`, where),
      content: string(content, `messages[${i}].content`, where),
    };
  });
}

function string(value: unknown, name: string, where: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${where}: ${name} is ${show(value)}; expected a string`);
}

function show(value: unknown): string {
  const text = value === undefined ? "missing" : JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

import { OptionError } from "@lowrank/core";
import type { ChatMessage } from "@lowrank/models";

/** A field that examples of every form can have. */
export interface WithTask {
  /** The example's task, for multitask prompt tuning and Poly. Default: none. */
  taskId?: number;
}

/** Fields that examples of texts can have. */
interface WithTypes extends WithTask {
  /** The type of each token of the tokenized example, for CPT. Default: none. */
  inputTypeMask?: readonly number[];
}

/** A plain text, of which every token is learned. */
export interface TextExample extends WithTypes {
  text: string;
}

/** A prompt and its completion. Only the completion is learned. */
export interface CompletionExample extends WithTypes {
  prompt: string;
  completion: string;
}

/** A conversation. Only the assistant's messages are learned. */
export interface ChatExample extends WithTypes {
  messages: ChatMessage[];
}

/** A training example for a language model, before tokenization. */
export type Example = TextExample | CompletionExample | ChatExample;

/**
 * A format of records in data files, such as Alpaca. A record has this format if it contains `key`, which no other
 * format uses.
 */
interface Kind {
  readonly key: string;
  /** The format's keys as shown in error messages, for example `{"prompt", "completion"}`. */
  readonly accepted: string;
  read(record: Record<string, unknown>, where: string): Example;
}

const kinds: readonly Kind[] = [
  { key: "text", accepted: '{"text"}', read: ({ text }, where) => ({ text: learned(text, "text", where) }) },
  {
    key: "prompt",
    accepted: '{"prompt", "completion"}',
    read: ({ prompt, completion }, where) => ({
      prompt: string(prompt, "prompt", where),
      completion: learned(completion, "completion", where),
    }),
  },
  {
    key: "messages",
    accepted: '{"messages": [{"role", "content"}]}',
    read: ({ messages }, where) => ({ messages: toMessages(messages, where) }),
  },
  {
    key: "instruction",
    accepted: '{"instruction", "input", "output"} (Alpaca)',
    read: ({ instruction, input = "", output }, where) => {
      const asked = [string(instruction, "instruction", where), string(input ?? "", "input", where)];
      return {
        messages: [
          { role: "user", content: asked.filter((part) => part !== "").join("\n\n") },
          { role: "assistant", content: learned(output, "output", where) },
        ],
      };
    },
  },
  {
    key: "conversations",
    accepted: '{"conversations": [{"from", "value"}]} (ShareGPT)',
    read: ({ conversations }, where) => ({ messages: toTurns(conversations, where) }),
  },
];

const accepted = kinds.map((kind) => kind.accepted).join(", ");

/**
 * Converts a JSON value to an example and drops unknown keys. The key `task_id` becomes the example's task, and
 * `input_type_mask` the types of its tokens. Throws if it is not an example; the message contains the value and
 * `where`, its position in the file.
 */
export function toExample({ value, where }: { readonly value: unknown; readonly where: string }): Example {
  if (typeof value === "string") return { text: learned(value, "text", where) };
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Error(`${where}: found ${show(value)}; an example is one of ${accepted}`);
  }
  const record = value as Record<string, unknown>;
  const has = (key: string) => record[key] !== undefined;
  const found = kinds.filter(({ key }) => has(key) || (key === "prompt" && has("completion")));
  // Files in Alpaca's format also have a `text` field, which repeats the other fields and is ignored.
  const meant = has("instruction") && has("output") ? found.filter(({ key }) => key !== "text") : found;
  if (meant.length !== 1) {
    const keys = Object.keys(value).join(", ") || "(none)";
    throw new OptionError("", "columns", undefined, (named) => {
      const columns = named("columns");
      const option = columns === "columns" ? "the option columns" : columns;
      return `${where}: found keys ${keys}; an example is one of ${accepted}; map other keys with ${option}`;
    });
  }
  return { ...meant[0].read(record, where), ...taskOf(record, where), ...typesOf(record, where) };
}

/**
 * Returns the task in the column `task_id` of a record; an empty object if the column is missing or empty. Tables of
 * text have the number as a text.
 */
function taskOf({ task_id: value }: Readonly<Record<string, unknown>>, where: string): WithTask {
  if (value === undefined || value === null || value === "") return {};
  const taskId = typeof value === "string" ? Number(value) : value;
  if (Number.isSafeInteger(taskId) && (taskId as number) >= 0) return { taskId: taskId as number };
  throw new Error(`${where}: task_id is ${show(value)}; expected a whole number from 0`);
}

/** Returns the types of tokens in the column `input_type_mask` of a record; an empty object without that column. */
function typesOf({ input_type_mask: value }: Readonly<Record<string, unknown>>, where: string): WithTypes {
  if (value === undefined || value === null) return {};
  if (Array.isArray(value) && value.every(Number.isSafeInteger)) return { inputTypeMask: value as number[] };
  throw new Error(`${where}: input_type_mask is ${show(value)}; expected a list of integers, one for each token`);
}

/** Maps the role names in ShareGPT files to the roles of chat templates. */
const roles: Readonly<Record<string, string>> = {
  human: "user",
  gpt: "assistant",
  chatgpt: "assistant",
  bot: "assistant",
};

function toTurns(turns: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(turns) || turns.length === 0) {
    throw new Error(`${where}: conversations is ${show(turns)}; expected a list of {"from", "value"}`);
  }
  return turns.map((turn, i) => {
    const { from, value } = Object(turn) as { from?: unknown; value?: unknown };
    const role = string(from, `conversations[${i}].from`, where);
    return { role: roles[role] ?? role, content: string(value, `conversations[${i}].value`, where) };
  });
}

function toMessages(messages: unknown, where: string): ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new Error(`${where}: messages is ${show(messages)}; expected a list of {"role", "content"}`);
  }
  return messages.map((message, i) => {
    const { role, content } = Object(message) as { role?: unknown; content?: unknown };
    return {
      role: string(role, `messages[${i}].role`, where),
      content: string(textOf(content), `messages[${i}].content`, where),
    };
  });
}

/**
 * Joins the parts of a message's content into one string, if the content is a list of text parts, as in some OpenAI
 * files. Returns other values unchanged.
 */
function textOf(content: unknown): unknown {
  if (!Array.isArray(content)) return content;
  const parts = content.map((part) => Object(part) as { type?: unknown; text?: unknown });
  return parts.every(({ type, text }) => type === "text" && typeof text === "string")
    ? parts.map(({ text }) => text).join("")
    : content;
}

/** Returns `value` if it is a non-empty string to train on. Throws for other values. */
function learned(value: unknown, name: string, where: string): string {
  if (value === "") throw new Error(`${where}: ${name} is empty, so that there is nothing to learn`);
  return string(value, name, where);
}

function string(value: unknown, name: string, where: string): string {
  if (typeof value === "string") return value;
  throw new Error(`${where}: ${name} is ${show(value)}; expected a string`);
}

function show(value: unknown): string {
  const text = value === undefined ? "missing" : textOfJson(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** Formats a value as JSON for a message. Does not fail for values that are nested too deeply. */
function textOfJson(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch {
    return "nested too deep";
  }
}

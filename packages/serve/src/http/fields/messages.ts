import { z } from "@hono/zod-openapi";
import type { ChatPrompt } from "../../api/api.ts";
import { notSupported } from "../requests/httpError.ts";

const part = z.looseObject({ type: z.string(), text: z.string().optional() });

const text = z.union([z.string(), z.array(part)]);
const name = z.string().max(64).optional();

/** Schema of a chat's messages. Only an assistant's message may lack its text. */
export const messagesField: z.ZodType<readonly Message[]> = z
  .array(
    z.union([
      z.strictObject({ role: z.enum(["system", "developer", "user"]), content: text, name }),
      z.strictObject({ role: z.literal("assistant"), content: text.nullable().optional(), name }),
    ]),
  )
  .min(1);

interface Message {
  readonly role: "system" | "developer" | "user" | "assistant";
  readonly content?: string | readonly { readonly type: string; readonly text?: string }[] | null;
  readonly name?: string;
}

/** Known fields of messages that are refused with their own error. */
const refusedFields = ["tool_calls", "function_call", "audio", "refusal"];

/**
 * Throws for messages with an unsupported role or field. Removes `name` if it is null, and unsupported fields that are
 * null or empty lists.
 */
export function checkMessages(raw: unknown): void {
  const { messages } = (raw ?? {}) as { messages?: unknown };
  for (const [i, found] of Array.isArray(messages) ? messages.entries() : []) {
    const fields = (found ?? {}) as Record<string, unknown>;
    const at = `messages[${i}]`;
    if (fields.role === "tool" || fields.role === "function") {
      throw notSupported(`${at}.role`, `Messages of a ${fields.role} are not supported by this server.`);
    }
    if (fields.name === null) delete fields.name;
    for (const name of refusedFields) {
      if (fields[name] === null || (Array.isArray(fields[name]) && fields[name].length === 0)) delete fields[name];
      else if (fields[name] !== undefined) {
        throw notSupported(`${at}.${name}`, `${name} of a message is not supported by this server; leave it out.`);
      }
    }
  }
}

/** Converts messages for the engine. Throws for images and other parts that are not text. */
export function messagesOf(messages: readonly Message[]): ChatPrompt["messages"] {
  return messages.map(({ role, content, name }, i) => ({
    role: role === "developer" ? "system" : role,
    content: textOf(content ?? "", `messages[${i}]`),
    ...(name === undefined ? {} : { name }),
  }));
}

function textOf(content: NonNullable<Message["content"]>, at: string): string {
  if (typeof content === "string") return content;
  return content
    .map(({ type, text }, i) => {
      if (type === "text" && text !== undefined) return text;
      throw notSupported(`${at}.content[${i}]`, `Content of type ${type} is not supported by this server; give text.`);
    })
    .join("");
}

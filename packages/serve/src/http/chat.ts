import { z } from "@hono/zod-openapi";
import type { ServingEvent, ServingRequest, TokenLogprob } from "../api.ts";
import { addRoute } from "./addRoute.ts";
import { type AnswerForm, type AnswerHead, answerOf, checkSequences } from "./answerOf.ts";
import type { AppContext, AppRequest, ServingApp } from "./appContext.ts";
import { checkBody, refused } from "./checkBody.ts";
import { HttpError, notSupported } from "./httpError.ts";
import { modelName } from "./modelName.ts";
import { samplingFields, samplingOf, stopsOf, unsupportedFields } from "./samplingFields.ts";

const part = z.looseObject({ type: z.string(), text: z.string().optional() });

const message = z.strictObject({
  role: z.enum(["system", "developer", "user", "assistant"]),
  content: z.union([z.string(), z.array(part)]),
});

const chatBody = z
  .strictObject({
    ...samplingFields,
    model: modelName,
    messages: z.array(message).min(1),
    max_completion_tokens: z.int().min(1).optional(),
    logprobs: z.boolean().optional(),
    top_logprobs: z.int().min(0).max(20).optional(),
  })
  .openapi("CreateChatCompletionRequest");

type ChatBody = z.infer<typeof chatBody>;

const unsupported = {
  ...unsupportedFields,
  best_of: refused("best_of"),
  echo: refused("echo in a chat", (value) => value === false),
};

/** Adds `/v1/chat/completions`. */
export function addChat(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "post",
    path: "/v1/chat/completions",
    summary: "Answers a chat, at once or piece by piece.",
    body: chatBody,
    budgeted: true,
    answer: (c, body) => chat(c, context, checkMessages(body)),
  });
}

/** Refuses fields of messages by name, which the schema would call unknown. */
function checkMessages(raw: unknown): ChatBody {
  const { messages } = (raw ?? {}) as { messages?: unknown };
  for (const [i, found] of Array.isArray(messages) ? messages.entries() : []) {
    const fields = (found ?? {}) as Record<string, unknown>;
    const at = `messages[${i}]`;
    if (fields.role === "tool" || fields.role === "function") {
      throw notSupported(`${at}.role`, `Messages of a ${fields.role} are not supported by this server.`);
    }
    for (const name of ["tool_calls", "function_call", "audio", "refusal", "name"]) {
      if (fields[name] === null || (Array.isArray(fields[name]) && fields[name].length === 0)) delete fields[name];
      else if (fields[name] !== undefined) {
        throw notSupported(`${at}.${name}`, `${name} of a message is not supported by this server; leave it out.`);
      }
    }
  }
  return checkBody(chatBody, raw, unsupported);
}

function textOf(content: ChatBody["messages"][number]["content"], at: string): string {
  if (typeof content === "string") return content;
  return content
    .map(({ type, text }, i) => {
      if (type === "text" && text !== undefined) return text;
      throw notSupported(`${at}.content[${i}]`, `Content of type ${type} is not supported by this server; give text.`);
    })
    .join("");
}

async function chat(c: AppRequest, context: AppContext, body: ChatBody): Promise<Response> {
  const { model, adapter } = await context.adapterOf(body.model, c.get("caller"));
  if (model.task !== "generate") throw notSupported("model", `The model \`${body.model}\` makes embeddings, not text.`);
  if (!model.hasChatTemplate) {
    throw notSupported("messages", `The model \`${body.model}\` has no chat template; use /v1/completions.`);
  }
  if (body.top_logprobs !== undefined && !body.logprobs) {
    throw new HttpError(400, "top_logprobs needs logprobs: true.", { param: "top_logprobs", code: "invalid_value" });
  }
  if (body.max_tokens === 0) throw new HttpError(400, "Invalid 'max_tokens': at least 1.", { param: "max_tokens" });
  const n = body.n ?? 1;
  checkSequences(context, n);
  const id = `chatcmpl-${c.get("log").id}`;
  const messages = body.messages.map(({ role, content }, i) => {
    return { role: role === "developer" ? "system" : role, content: textOf(content, `messages[${i}]`) };
  });
  const requests = Array.from({ length: n }, (_, choice): ServingRequest => {
    return {
      id: `${id}-${choice}`,
      prompt: { messages },
      adapter,
      tenant: c.get("caller").tenant,
      maxNewTokens: body.max_completion_tokens ?? body.max_tokens,
      sampling: samplingOf(body, choice),
      stop: stopsOf(body),
      ignoreEos: body.ignore_eos,
      logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    };
  });
  return answerOf(c, context, chatForm, {
    id,
    model: body.model,
    requests,
    choicesPerPrompt: n,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  });
}

const chatForm: AnswerForm = {
  async whole(head, events) {
    const choices: object[] = [];
    const texts: string[] = [];
    const logprobs: object[][] = [];
    for await (const { choice, event } of events) {
      if (event.type === "token") {
        texts[choice] = (texts[choice] ?? "") + event.text;
        if (event.logprob) {
          logprobs[choice] ??= [];
          logprobs[choice].push(tokenLogprob(event.logprob));
        }
      } else if (event.type === "finished") {
        choices[choice] = {
          index: choice,
          message: { role: "assistant", content: texts[choice] ?? "", refusal: null },
          logprobs: logprobs[choice] ? { content: logprobs[choice], refusal: null } : null,
          finish_reason: event.reason,
        };
      }
    }
    return { ...head, object: "chat.completion", choices };
  },

  chunks(head, { choice, event }) {
    if (event.type === "started") return [chunk(head, choice, { role: "assistant", content: "", refusal: null })];
    if (event.type === "finished") return [chunk(head, choice, {}, null, event.reason)];
    // A token that completes no character is told with the next one, unless it brings numbers.
    if (event.text === "" && !event.logprob) return [];
    return [chunk(head, choice, { content: event.text }, logprobsOf(event))];
  },

  usageChunk: (head) => ({ ...head, object: "chat.completion.chunk", choices: [] }),
};

function chunk(
  head: AnswerHead,
  index: number,
  delta: object,
  logprobs: object | null = null,
  finish: string | null = null,
): object {
  const choices = [{ index, delta, logprobs, finish_reason: finish }];
  return { ...head, object: "chat.completion.chunk", choices };
}

function logprobsOf({ logprob }: ServingEvent & { type: "token" }): object | null {
  return logprob ? { content: [tokenLogprob(logprob)], refusal: null } : null;
}

function tokenLogprob({ top, ...token }: TokenLogprob & { readonly top: readonly TokenLogprob[] }): object {
  const written = ({ text, logprob, bytes }: TokenLogprob) => ({ token: text, logprob, bytes: [...bytes] });
  return { ...written(token), top_logprobs: top.map(written) };
}

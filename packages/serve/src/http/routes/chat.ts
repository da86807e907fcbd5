import { z } from "@hono/zod-openapi";
import type { ServingEvent, ServingRequest, TokenLogprob } from "../../api/api.ts";
import { addRoute } from "../app/addRoute.ts";
import { requestUser } from "../app/apiKeys.ts";
import type { AppContext, AppRequest, ServingApp } from "../app/appContext.ts";
import { checkMessages, messagesField, messagesOf } from "../fields/messages.ts";
import { samplingFields, samplingOf, stopsOf, unsupportedFields } from "../fields/samplingFields.ts";
import {
  chatPromptOf,
  type PromptLogprob,
  promptLogprobOf,
  templateFields,
  vllmSettings,
} from "../fields/vllmFields.ts";
import { type BodyFields, checkBody, modelName, refused } from "../requests/checkBody.ts";
import { HttpError, notSupported } from "../requests/httpError.ts";
import { type AnswerForm, type AnswerHead, answerOf, checkSequences, finish } from "../streams/answerOf.ts";

const chatBody = z
  .strictObject({
    ...samplingFields,
    ...templateFields,
    model: modelName,
    messages: messagesField,
    max_completion_tokens: z.int().min(1).optional(),
    logprobs: z.boolean().optional(),
    top_logprobs: z.int().min(0).max(20).optional(),
    reasoning_effort: z
      .enum(["none", "minimal", "low", "medium", "high", "xhigh", "max"])
      .optional()
      .openapi({ description: "A variable of the chat template, by this name." }),
  })
  .openapi("CreateChatCompletionRequest");

type ChatBody = z.infer<typeof chatBody>;

/** Fields of chats: supported, ignored and refused. */
export const chatFields: BodyFields = {
  names: Object.keys(chatBody.shape),
  unsupported: {
    ...unsupportedFields,
    best_of: refused("best_of"),
    echo: refused("echo in a chat", (value) => value === false),
  },
};

/** Adds `/v1/chat/completions`. */
export function addChat(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "post",
    path: "/v1/chat/completions",
    summary: "Answers a chat, at once or piece by piece.",
    body: chatBody,
    budgeted: true,
    counted: true,
    answer: (c, raw) => {
      checkMessages(raw);
      return chat(c, context, checkBody(chatBody, raw, chatFields.unsupported));
    },
  });
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
  if (body.max_tokens === 0) {
    const message = "Invalid 'max_tokens': it is 0; expected at least 1.";
    throw new HttpError(400, message, { param: "max_tokens", code: "invalid_value" });
  }
  const n = body.n ?? 1;
  checkSequences(context, n);
  const id = `chatcmpl-${c.get("log").id}`;
  const { reasoning_effort } = body;
  const variables = reasoning_effort === undefined ? {} : { reasoning_effort };
  const prompt = chatPromptOf(messagesOf(body.messages), body, variables);
  const vllm = vllmSettings(body);
  const requests = Array.from({ length: n }, (_, choice): ServingRequest => {
    return {
      ...vllm,
      // The choices of a prompt share one list of log-probabilities.
      promptLogprobs: choice === 0 ? vllm.promptLogprobs : undefined,
      id: `${id}-${choice}`,
      prompt,
      adapter,
      ...requestUser(c.get("caller")),
      maxNewTokens: body.max_completion_tokens ?? body.max_tokens,
      sampling: samplingOf(body, choice),
      stop: stopsOf(body),
      taskId: body.task_id,
      logprobs: body.logprobs ? (body.top_logprobs ?? 0) : undefined,
    };
  });
  return answerOf(c, context, chatForm(body), {
    id,
    model: body.model,
    requests,
    choicesPerPrompt: n,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    continuousUsage: body.stream_options?.continuous_usage_stats ?? false,
  });
}

/** Returns the functions that convert the engine's events for a chat to response bodies in OpenAI's format. */
function chatForm(body: ChatBody): AnswerForm {
  const { return_token_ids: withIds = false, prompt_logprobs: likeliest } = body;
  return {
    async whole(head, events) {
      const choices: object[] = [];
      const texts: string[] = [];
      const logprobs: object[][] = [];
      const ids: number[][] = [];
      const promptLogprobs: PromptLogprob[] = [];
      let promptIds: readonly number[] = [];
      for await (const { choice, event } of events) {
        if (event.type === "started") promptIds = event.promptTokenIds ?? promptIds;
        else if (event.type === "finished") {
          choices[choice] = {
            index: choice,
            message: { role: "assistant", content: texts[choice] ?? "", refusal: null },
            logprobs: logprobs[choice] ? { content: logprobs[choice], refusal: null } : null,
            ...finish(event),
            ...(withIds && { token_ids: ids[choice] ?? [] }),
          };
        } else if (event.prompt) promptLogprobs.push(promptLogprobOf(event, likeliest!));
        else {
          texts[choice] = (texts[choice] ?? "") + event.text;
          if (withIds) {
            ids[choice] ??= [];
            ids[choice].push(event.token);
          }
          if (event.logprob) {
            logprobs[choice] ??= [];
            logprobs[choice].push(tokenLogprob(event.logprob));
          }
        }
      }
      return {
        ...head,
        object: "chat.completion",
        choices,
        ...(likeliest !== undefined && { prompt_logprobs: promptLogprobs }),
        ...(withIds && { prompt_token_ids: promptIds }),
      };
    },

    chunks(head, { choice, event }) {
      if (event.type === "started") {
        const opening = chunk(head, choice, { delta: { role: "assistant", content: "", refusal: null } });
        return [withIds && choice === 0 ? { ...opening, prompt_token_ids: event.promptTokenIds } : opening];
      }
      if (event.type === "finished") return [chunk(head, choice, { delta: {}, ...finish(event) })];
      if (event.prompt) return [];
      // A token that completes no character is sent with the next token, unless its chunk has other content.
      if (event.text === "" && !event.logprob && !withIds) return [];
      const tokenIds = withIds ? { token_ids: [event.token] } : {};
      return [chunk(head, choice, { delta: { content: event.text }, logprobs: logprobsOf(event), ...tokenIds })];
    },

    usageChunk: (head) => ({ ...head, object: "chat.completion.chunk", choices: [] }),
  };
}

function chunk(head: AnswerHead, index: number, fields: object): object {
  const choices = [{ index, logprobs: null, finish_reason: null, ...fields }];
  return { ...head, object: "chat.completion.chunk", choices };
}

function logprobsOf({ logprob }: ServingEvent & { type: "token" }): object | null {
  return logprob ? { content: [tokenLogprob(logprob)], refusal: null } : null;
}

function tokenLogprob({ top, ...token }: TokenLogprob & { readonly top: readonly TokenLogprob[] }): object {
  const written = ({ text, logprob, bytes }: TokenLogprob) => ({ token: text, logprob, bytes: [...bytes] });
  return { ...written(token), top_logprobs: top.map(written) };
}

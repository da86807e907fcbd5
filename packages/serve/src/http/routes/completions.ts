import { z } from "@hono/zod-openapi";
import type { ServingEvent, ServingPrompt, ServingRequest } from "../../api/api.ts";
import { addRoute } from "../app/addRoute.ts";
import { requestUser } from "../app/apiKeys.ts";
import type { AppContext, AppRequest, ServingApp } from "../app/appContext.ts";
import { samplingFields, samplingOf, stopsOf, unsupportedFields } from "../fields/samplingFields.ts";
import { type PromptLogprob, promptLogprobOf, templateFields, vllmSettings } from "../fields/vllmFields.ts";
import { type BodyFields, checkBody, modelName, refused } from "../requests/checkBody.ts";
import { HttpError, notSupported } from "../requests/httpError.ts";
import { eachInput, textInputs } from "../requests/textInputs.ts";
import { type AnswerForm, type AnswerHead, answerOf, checkSequences, finish } from "../streams/answerOf.ts";

const completionBody = z
  .strictObject({
    ...samplingFields,
    add_special_tokens: templateFields.add_special_tokens,
    model: modelName,
    prompt: textInputs,
    echo: z.boolean().optional(),
    logprobs: z.int().min(0).max(20).optional(),
  })
  .openapi("CreateCompletionRequest");

type CompletionBody = z.infer<typeof completionBody>;

/** Fields of completions: supported, ignored and refused. */
export const completionFields: BodyFields = {
  names: Object.keys(completionBody.shape),
  unsupported: {
    ...unsupportedFields,
    reasoning_effort: refused("reasoning_effort", (value) => value === "none"),
    best_of: refused("best_of other than n", (value, body) => value === (body.n ?? 1)),
  },
};

/** Default of `max_tokens`, as in OpenAI's API. */
const usualTokens = 16;

/** Adds `/v1/completions`. */
export function addCompletions(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "post",
    path: "/v1/completions",
    summary: "Continues prompts, at once or piece by piece.",
    body: completionBody,
    budgeted: true,
    counted: true,
    answer: (c, raw) => complete(c, context, checkBody(completionBody, raw, completionFields.unsupported)),
  });
}

async function complete(c: AppRequest, context: AppContext, body: CompletionBody): Promise<Response> {
  const { model, adapter } = await context.adapterOf(body.model, c.get("caller"));
  if (model.task !== "generate") throw notSupported("model", `The model \`${body.model}\` makes embeddings, not text.`);
  if (body.max_tokens === 0 && !body.echo) {
    const message = "Invalid 'max_tokens': it is 0; expected at least 1, or 0 with echo.";
    throw new HttpError(400, message, { param: "max_tokens", code: "invalid_value" });
  }
  const prompts = promptsOf(body);
  const vllm = vllmSettings(body);
  const n = body.n ?? 1;
  checkSequences(context, prompts.length * n);
  const id = `cmpl-${c.get("log").id}`;
  const requests = prompts.flatMap((prompt, p) =>
    Array.from({ length: n }, (_, choice): ServingRequest => {
      return {
        ...vllm,
        id: `${id}-${p * n + choice}`,
        prompt,
        adapter,
        ...requestUser(c.get("caller")),
        maxNewTokens: body.max_tokens ?? usualTokens,
        sampling: samplingOf(body, choice),
        stop: stopsOf(body),
        logprobs: body.logprobs,
        echo: body.echo,
        taskId: body.task_id,
      };
    }),
  );
  return answerOf(c, context, completionForm(body), {
    id,
    model: body.model,
    requests,
    choicesPerPrompt: n,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
    continuousUsage: body.stream_options?.continuous_usage_stats ?? false,
  });
}

function promptsOf({ prompt, add_special_tokens: addSpecialTokens }: CompletionBody): ServingPrompt[] {
  return eachInput(prompt).map((item) => {
    return typeof item === "string" ? { text: item, addSpecialTokens } : { tokens: item };
  });
}

/** Log-probabilities in the format of `/v1/completions`: each field is a list with one element per token. */
interface Logprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}

/**
 * Returns the functions that convert the engine's events for a completion to response bodies in OpenAI's format. The
 * functions also count each choice's characters, for `text_offset`.
 */
function completionForm(body: CompletionBody): AnswerForm {
  const { echo = false, return_token_ids: withIds = false, prompt_logprobs: likeliest, logprobs: shown } = body;
  const offsets: number[] = [];
  /** Token ids of the prompt by choice, to be sent with the choice's next chunk. */
  const prompts: (readonly number[] | undefined)[] = [];
  const addLogprob = (choice: number, { logprob, text }: ServingEvent & { type: "token" }, to: Logprobs): void => {
    if (!logprob) return;
    const own = logprob.logprob;
    // A prompt's log-probabilities may include more top tokens than `logprobs`.
    const entries = [...logprob.top.slice(0, shown), logprob];
    to.tokens.push(logprob.text);
    to.token_logprobs.push(own);
    to.top_logprobs.push(
      own === null ? null : Object.fromEntries(entries.map((entry) => [entry.text, entry.logprob as number])),
    );
    to.text_offset.push(offsets[choice] ?? 0);
    // The text of a special token is not part of the answer's text.
    offsets[choice] = (offsets[choice] ?? 0) + text.length;
  };
  return {
    async whole(head, events) {
      const choices: object[] = [];
      const parts: Parts[] = [];
      for await (const { choice, event } of events) {
        parts[choice] ??= { text: "", logprobs: null, ids: [], promptIds: [], promptLogprobs: [] };
        const part = parts[choice];
        if (event.type === "started") part.promptIds = event.promptTokenIds ?? [];
        else if (event.type === "finished") {
          choices[choice] = {
            index: choice,
            text: part.text,
            logprobs: part.logprobs,
            ...finish(event),
            ...(likeliest !== undefined && { prompt_logprobs: part.promptLogprobs }),
            ...(withIds && { token_ids: part.ids, prompt_token_ids: part.promptIds }),
          };
        } else {
          if (event.prompt && likeliest !== undefined) part.promptLogprobs.push(promptLogprobOf(event, likeliest));
          if (event.prompt && !echo) continue;
          part.text += event.text;
          if (!event.prompt) part.ids.push(event.token);
          if (event.logprob && shown !== undefined) {
            part.logprobs ??= noLogprobs();
            addLogprob(choice, event, part.logprobs);
          }
        }
      }
      return { ...head, object: "text_completion", choices };
    },

    chunks(head, { choice, event }) {
      if (event.type === "started") {
        prompts[choice] = event.promptTokenIds;
        return [];
      }
      if (event.type === "token" && event.prompt && !echo) return [];
      if (event.type === "token" && event.text === "" && !event.logprob && !withIds) return [];
      const { [choice]: promptIds } = prompts;
      prompts[choice] = undefined;
      const brought = promptIds === undefined ? {} : { prompt_token_ids: promptIds };
      if (event.type === "finished") return [chunk(head, choice, { text: "", ...finish(event), ...brought })];
      const logprobs = event.logprob ? noLogprobs() : null;
      if (logprobs) addLogprob(choice, event, logprobs);
      const ids = withIds ? { token_ids: event.prompt ? [] : [event.token] } : {};
      return [chunk(head, choice, { text: event.text, logprobs, ...ids, ...brought })];
    },

    usageChunk: (head) => ({ ...head, object: "text_completion", choices: [] }),
  };
}

/** Text, tokens and log-probabilities of one choice, collected from its events. */
interface Parts {
  text: string;
  logprobs: Logprobs | null;
  ids: number[];
  promptIds: readonly number[];
  promptLogprobs: PromptLogprob[];
}

function noLogprobs(): Logprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

function chunk(head: AnswerHead, index: number, fields: object): object {
  return { ...head, object: "text_completion", choices: [{ index, logprobs: null, finish_reason: null, ...fields }] };
}

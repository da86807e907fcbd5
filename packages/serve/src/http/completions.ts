import { z } from "@hono/zod-openapi";
import type { ServingEvent, ServingPrompt, ServingRequest } from "../api.ts";
import { addRoute } from "./addRoute.ts";
import { type AnswerForm, type AnswerHead, answerOf, checkSequences } from "./answerOf.ts";
import type { AppContext, AppRequest, ServingApp } from "./appContext.ts";
import { checkBody, refused } from "./checkBody.ts";
import { HttpError, notSupported } from "./httpError.ts";
import { modelName } from "./modelName.ts";
import { samplingFields, samplingOf, stopsOf, unsupportedFields } from "./samplingFields.ts";
import { eachInput, textInputs } from "./textInputs.ts";

const completionBody = z
  .strictObject({
    ...samplingFields,
    model: modelName,
    prompt: textInputs,
    echo: z.boolean().optional(),
    logprobs: z.int().min(0).max(20).optional(),
  })
  .openapi("CreateCompletionRequest");

type CompletionBody = z.infer<typeof completionBody>;

/** The tokens of an answer that asks for no number, as in OpenAI's API. */
const usualTokens = 16;

/** Adds `/v1/completions`. */
export function addCompletions(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "post",
    path: "/v1/completions",
    summary: "Continues prompts, at once or piece by piece.",
    body: completionBody,
    budgeted: true,
    answer: (c, raw) => {
      const n = (raw as { n?: unknown } | null)?.n ?? 1;
      const unsupported = { ...unsupportedFields, best_of: refused("best_of", (value) => value === n) };
      return complete(c, context, checkBody(completionBody, raw, unsupported));
    },
  });
}

async function complete(c: AppRequest, context: AppContext, body: CompletionBody): Promise<Response> {
  const { model, adapter } = await context.adapterOf(body.model, c.get("caller"));
  if (model.task !== "generate") throw notSupported("model", `The model \`${body.model}\` makes embeddings, not text.`);
  if (body.max_tokens === 0 && !body.echo) {
    throw new HttpError(400, "Invalid 'max_tokens': at least 1, or 0 with echo.", { param: "max_tokens" });
  }
  const prompts = promptsOf(body.prompt);
  const n = body.n ?? 1;
  checkSequences(context, prompts.length * n);
  const id = `cmpl-${c.get("log").id}`;
  const requests = prompts.flatMap((prompt, p) =>
    Array.from({ length: n }, (_, choice): ServingRequest => {
      return {
        id: `${id}-${p * n + choice}`,
        prompt,
        adapter,
        tenant: c.get("caller").tenant,
        maxNewTokens: body.max_tokens ?? usualTokens,
        sampling: samplingOf(body, choice),
        stop: stopsOf(body),
        ignoreEos: body.ignore_eos,
        logprobs: body.logprobs,
        echo: body.echo,
      };
    }),
  );
  return answerOf(c, context, completionForm(), {
    id,
    model: body.model,
    requests,
    choicesPerPrompt: n,
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  });
}

function promptsOf(prompt: CompletionBody["prompt"]): ServingPrompt[] {
  return eachInput(prompt).map((item) => (typeof item === "string" ? { text: item } : { tokens: item }));
}

/** Log-probabilities as completions have them: a list for each field. */
interface Logprobs {
  tokens: string[];
  token_logprobs: (number | null)[];
  top_logprobs: (Record<string, number> | null)[];
  text_offset: number[];
}

/** Returns the form of one answer, which counts where in the text its tokens begin. */
function completionForm(): AnswerForm {
  const offsets: number[] = [];
  const addLogprob = (choice: number, { logprob, text }: ServingEvent & { type: "token" }, to: Logprobs): void => {
    if (!logprob) return;
    const own = logprob.logprob;
    to.tokens.push(logprob.text);
    to.token_logprobs.push(own);
    to.top_logprobs.push(
      own === null
        ? null
        : Object.fromEntries([...logprob.top, logprob].map((entry) => [entry.text, entry.logprob as number])),
    );
    to.text_offset.push(offsets[choice] ?? 0);
    // A special token has a text of its own that is not in the answer's.
    offsets[choice] = (offsets[choice] ?? 0) + text.length;
  };
  return {
    async whole(head, events) {
      const choices: object[] = [];
      const texts: string[] = [];
      const logprobs: Logprobs[] = [];
      for await (const { choice, event } of events) {
        if (event.type === "token") {
          texts[choice] = (texts[choice] ?? "") + event.text;
          if (event.logprob) {
            logprobs[choice] ??= noLogprobs();
            addLogprob(choice, event, logprobs[choice]);
          }
        } else if (event.type === "finished") {
          choices[choice] = {
            index: choice,
            text: texts[choice] ?? "",
            logprobs: logprobs[choice] ?? null,
            finish_reason: event.reason,
          };
        }
      }
      return { ...head, object: "text_completion", choices };
    },

    chunks(head, { choice, event }) {
      if (event.type === "started") return [];
      if (event.type === "finished") return [chunk(head, choice, "", null, event.reason)];
      if (event.text === "" && !event.logprob) return [];
      const logprobs = event.logprob ? noLogprobs() : null;
      if (logprobs) addLogprob(choice, event, logprobs);
      return [chunk(head, choice, event.text, logprobs, null)];
    },

    usageChunk: (head) => ({ ...head, object: "text_completion", choices: [] }),
  };
}

function noLogprobs(): Logprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

function chunk(
  head: AnswerHead,
  index: number,
  text: string,
  logprobs: Logprobs | null,
  finish: string | null,
): object {
  return { ...head, object: "text_completion", choices: [{ index, text, logprobs, finish_reason: finish }] };
}

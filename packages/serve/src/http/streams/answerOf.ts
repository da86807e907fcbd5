import type { ServingEvent, ServingRequest } from "../../api/api.ts";
import type { AppContext, AppRequest } from "../app/appContext.ts";
import { type ChoiceEvent, type Generation, startGeneration, type Usage } from "../app/generation.ts";
import { HttpError } from "../requests/httpError.ts";
import { sseEvent, sseResponse } from "./sse.ts";

/** Fields that a whole answer and each chunk of a stream contain. */
export interface AnswerHead {
  readonly id: string;
  readonly created: number;
  readonly model: string;
  readonly system_fingerprint: string;
}

/** Converts the engine's events to response bodies in one format, for chats or for completions. */
export interface AnswerForm {
  /** Returns the body of a response that is not streamed, with the content of all events. */
  whole(head: AnswerHead, events: AsyncIterable<ChoiceEvent>): Promise<object>;
  /** Returns the chunks that a streamed response contains for one event. */
  chunks(head: AnswerHead, event: ChoiceEvent): object[];
  /** Returns the last chunk of a stream, which contains only the token usage. */
  usageChunk(head: AnswerHead): object;
}

/** Parsed request, with the options that control its answer. */
export interface Asked {
  readonly id: string;
  readonly model: string;
  readonly requests: readonly ServingRequest[];
  readonly choicesPerPrompt: number;
  readonly stream: boolean;
  readonly includeUsage: boolean;
  /** Adds the usage so far to every chunk. Requires `includeUsage`. */
  readonly continuousUsage: boolean;
}

/** Answers a request, with one JSON body or with a stream of events. */
export async function answerOf(c: AppRequest, context: AppContext, form: AnswerForm, asked: Asked): Promise<Response> {
  const gone = new AbortController();
  const client = AbortSignal.any([c.req.raw.signal, gone.signal, c.get("revoked")]);
  const log = c.get("log");
  log.adapter = asked.requests[0].adapter;
  const generation = await startGeneration(context, { ...asked, client, caller: c.get("caller") });
  const head: AnswerHead = {
    id: asked.id,
    created: Math.floor(Date.now() / 1000),
    model: asked.model,
    system_fingerprint: generation.fingerprint,
  };
  const logUsage = () => {
    const { prompt_tokens, completion_tokens } = generation.usage();
    Object.assign(log, { promptTokens: prompt_tokens, newTokens: completion_tokens });
  };
  if (!asked.stream) {
    try {
      return c.json({ ...(await form.whole(head, generation.events())), usage: generation.usage() });
    } finally {
      logUsage();
    }
  }
  const { promise, resolve } = Promise.withResolvers<void>();
  log.ended = promise.then(logUsage);
  return sseResponse(c, streamed(form, head, generation, asked, resolve), {
    sendSeconds: context.limits.sendSeconds,
    onError: (error) => {
      log.error = error;
    },
    onCancel: () => {
      gone.abort(new DOMException("The client has gone.", "AbortError"));
      resolve();
    },
  });
}

async function* streamed(
  form: AnswerForm,
  head: AnswerHead,
  generation: Generation,
  { includeUsage, continuousUsage }: Asked,
  onEnd: () => void,
): AsyncGenerator<string, void, undefined> {
  const withUsage = (usage: Usage | null) => (includeUsage ? { usage } : {});
  try {
    for await (const event of generation.events()) {
      const usage = continuousUsage ? generation.usageOf(event.choice) : null;
      const chunks = form.chunks(head, event).map((chunk) => sseEvent({ ...chunk, ...withUsage(usage) }));
      if (chunks.length > 0) yield chunks.join("");
    }
    if (includeUsage) yield sseEvent({ ...form.usageChunk(head), ...withUsage(generation.usage()) });
    yield sseEvent("[DONE]");
  } finally {
    onEnd();
  }
}

/** Returns the fields of a choice that state why generation stopped. `stop_reason` is a field of vLLM's API. */
export function finish({ reason, stopReason = null }: Extract<ServingEvent, { type: "finished" }>): object {
  return { finish_reason: reason, stop_reason: stopReason };
}

/** Throws if a request has more sequences than allowed. */
export function checkSequences(context: AppContext, sequences: number): void {
  const { sequences: most } = context.limits;
  if (sequences <= most) return;
  const asked = `The request needs ${sequences} sequences: its prompts times n.`;
  throw new HttpError(400, `${asked} This server's limit is ${most} for a request; ask for fewer.`, {
    param: "n",
    code: "invalid_value",
  });
}

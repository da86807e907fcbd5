import { ServingError, type ServingEvent, type ServingRequest } from "../../api/api.ts";
import type { RequestSize, Spender } from "../../budgets/budgets.ts";
import { HttpError, modelNotFound, toHttpError } from "../requests/httpError.ts";
import { timerMs } from "../requests/limits.ts";
import { merge } from "../requests/merge.ts";
import type { AppContext } from "./appContext.ts";

/** Token counts of prompt and answer, for the `usage` field. */
export interface Usage {
  prompt_tokens: number;
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details: { cached_tokens: number };
}

/** Event of a request, with the index of its choice in the answer. */
export interface ChoiceEvent {
  readonly choice: number;
  readonly event: ServingEvent;
}

/** Generation of all sequences that one HTTP request needs. */
export interface Generation {
  /** Fingerprint of the model and of the resolved adapter version. */
  readonly fingerprint: string;
  /**
   * Yields all events, including the first one, for which `startGeneration` waited. When the iteration ends, stops all
   * sequences and releases the part of the key's budgets that was reserved for the request.
   */
  events(): AsyncGenerator<ChoiceEvent, void, undefined>;
  /** Returns the token counts of all sequences so far. */
  usage(): Usage;
  /** Returns the token counts of one choice so far. */
  usageOf(choice: number): Usage;
}

/** Sequences to generate for one HTTP request. The tokens of a prompt with several choices are counted once. */
interface Job {
  readonly requests: readonly ServingRequest[];
  /** Number of choices per prompt. Choices of the same prompt are next to each other in `requests`. */
  readonly choicesPerPrompt: number;
  readonly model: string;
  readonly client: AbortSignal;
  readonly caller: Spender;
}

/**
 * Starts the sequences of a request, and waits until the first is admitted, so that a refusal gets its own HTTP status.
 * The client's signal or the time limit ends them.
 */
export async function startGeneration(context: AppContext, job: Job): Promise<Generation> {
  const { engine, limits, metrics } = context;
  const { requests } = job;
  const { adapter } = requests[0];
  context.budgets.check(job.caller, { sequences: requests.length, param: "n" });
  const admission = context.budgets.admit(job.caller, await sizeOf(context, job));
  let usedTokens = 0;
  const start = performance.now();
  const left = new AbortController();
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new ServingError("timeout", `The request took longer than ${limits.requestSeconds} seconds.`));
  }, timerMs(limits.requestSeconds));
  const signal = AbortSignal.any([job.client, late.signal, left.signal]);
  const usage = noUsage();
  const usages = requests.map(noUsage);
  const lastToken = requests.map(() => Number.NaN);

  const end = () => {
    clearTimeout(timer);
    left.abort(new DOMException("The answer has ended.", "AbortError"));
    admission.end(usedTokens);
  };
  // For an answer that is never read, this is the only place that ends it.
  signal.addEventListener("abort", end);

  const observe = (choice: number, event: ServingEvent): void => {
    if (event.type === "started") {
      checkPrompt(event.promptTokens, limits.promptTokens);
      if (event.queueSeconds !== undefined) metrics.queued(adapter, event.queueSeconds);
      addPrompt(usages[choice], event);
      if (choice % job.choicesPerPrompt === 0) {
        addPrompt(usage, event);
        usedTokens += event.promptTokens;
      }
    } else if (event.type === "token" && !event.prompt) {
      usedTokens += 1;
      for (const counted of [usage, usages[choice]]) addNewToken(counted);
      const now = performance.now();
      const since = lastToken[choice];
      if (Number.isNaN(since)) metrics.firstToken(adapter, (now - start) / 1000);
      else metrics.nextToken(adapter, (now - since) / 1000);
      lastToken[choice] = now;
    } else if (event.type === "finished") {
      const { promptTokens, newTokens, reason } = event;
      metrics.finished(adapter, { promptTokens, newTokens, reason, seconds: (performance.now() - start) / 1000 });
    }
  };

  const merged = merge(
    requests.map((request) => engine.generate(request, signal)),
    signal,
  );
  const next = async (): Promise<ChoiceEvent | null> => {
    const { done, value } = await merged.next();
    if (done) return null;
    observe(value.stream, value.item);
    return { choice: value.stream, event: value.item };
  };
  const failure = (error: unknown): HttpError => {
    const isLate = late.signal.aborted && !(error instanceof HttpError);
    if (!isLate && adapter !== null && isHidden(error)) return modelNotFound(job.model);
    const found = toHttpError(isLate ? late.signal.reason : error);
    // The engine's error names `lora_path`, but the request has `model`.
    return found.param === "lora_path" ? found.with({ param: "model" }) : found;
  };

  try {
    const first = await next();
    if (first === null || first.event.type !== "started") {
      throw new Error(
        `${requests[0].id}: the engine's first event is ${first?.event.type ?? "missing"}, expected started`,
      );
    }
    const { version } = first.event;
    const { name } = await engine.model();
    return {
      fingerprint: await fingerprint(name, version),
      usage: () => usage,
      usageOf: (choice) => usages[choice],
      events: async function* () {
        try {
          for (let event: ChoiceEvent | null = first; event !== null; event = await next()) yield event;
        } catch (error) {
          throw failure(error);
        } finally {
          end();
          void merged.return();
        }
      },
    };
  } catch (error) {
    end();
    void merged.return();
    throw failure(error);
  }
}

function noUsage(): Usage {
  return { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0, prompt_tokens_details: { cached_tokens: 0 } };
}

function addPrompt(usage: Usage, { promptTokens, cachedTokens }: Extract<ServingEvent, { type: "started" }>): void {
  usage.prompt_tokens += promptTokens;
  usage.total_tokens += promptTokens;
  usage.prompt_tokens_details.cached_tokens += cachedTokens;
}

function addNewToken(usage: Usage): void {
  usage.completion_tokens += 1;
  usage.total_tokens += 1;
}

/**
 * Returns the sequences and tokens that a request may need, for its key's budgets. Prompts are tokenized only for keys
 * with a token budget. The tokens of a prompt with several choices count once.
 */
async function sizeOf({ engine }: AppContext, { requests, choicesPerPrompt, caller }: Job): Promise<RequestSize> {
  const size = { sequences: requests.length, param: "n" };
  if (!Number.isFinite(caller.budgets.tokensPerMinute)) return size;
  const { maxPositions } = await engine.model();
  let [promptTokens, newTokens, openEnded] = [0, 0, false];
  for (let i = 0; i < requests.length; i += choicesPerPrompt) {
    const { prompt, maxNewTokens } = requests[i];
    const whole = "tokens" in prompt ? prompt.tokens.length : (await engine.tokenize(prompt)).length;
    const { truncatePromptTokens = whole } = requests[i];
    const kept = truncatePromptTokens < 0 ? maxPositions - (maxNewTokens ?? 1) : truncatePromptTokens;
    const tokens = Math.min(whole, kept);
    promptTokens += tokens;
    newTokens += choicesPerPrompt * (maxNewTokens ?? Math.max(1, maxPositions - tokens));
    openEnded ||= maxNewTokens === undefined;
  }
  return { ...size, promptTokens, newTokens, openEnded };
}

/**
 * Returns true for an error that is reported as an unknown model: no adapter has the requested name, the adapter
 * belongs to another tenant, or the name is an invalid path.
 */
function isHidden(error: unknown): boolean {
  if (!(error instanceof ServingError)) return false;
  const { code, param } = error;
  return code === "not_found" || code === "forbidden" || (code === "invalid_request" && param === "lora_path");
}

function checkPrompt(tokens: number, limit = Number.POSITIVE_INFINITY): void {
  if (tokens <= limit) return;
  throw new HttpError(400, `The prompt has ${tokens} tokens, and this server takes ${limit}; shorten it.`, {
    param: "prompt",
    code: "context_length_exceeded",
  });
}

/** Returns a fingerprint of a model and an adapter version. If it changes, answers may also change. */
async function fingerprint(model: string, version: string | null): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(`${model}\n${version ?? ""}`));
  const hex = [...new Uint8Array(hash, 0, 5)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return `fp_${hex}`;
}

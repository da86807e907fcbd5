import { StreamDecoder, type Tokenizer } from "@lowrank/models";
import type { AdapterLease } from "../../api/adapterProvider.ts";
import type { ServingEvent, ServingRequest, TokenLogprob } from "../../api/api.ts";
import type { RequestSettings } from "../requests/readSettings.ts";
import type { Sequence } from "../scheduling/sequence.ts";
import { AnswerText, type TokenTexts } from "./answerText.ts";
import { LogitEdits } from "./chooseTokens.ts";
import { EventQueue } from "./eventQueue.ts";

/** Log-probability of a token, and the most probable tokens with their log-probabilities. */
export interface RowLogprobs {
  readonly logprob: number;
  /**
   * Rank of the token among all tokens, from 1 for the most probable; null unless the request sets `promptLogprobs`.
   */
  readonly rank: number | null;
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** Model, tokenizer and end-of-sequence tokens, from which a request makes its events. */
export interface RequestContext {
  readonly model: ConstructorParameters<typeof LogitEdits>[1];
  readonly tokenizer: Tokenizer;
  readonly texts: TokenTexts;
  readonly eosTokenIds: readonly number[];
}

/** Request that is being served, with its sequence and its output events. */
export class ServedRequest implements Sequence {
  readonly id: string;
  readonly tenant: string;
  readonly operator: boolean;
  readonly adapterMemory: ServingRequest["adapterMemory"];
  readonly adapter: string | null;
  readonly arrival: number;
  readonly tokens: number[];
  readonly promptLength: number;
  readonly wantsPromptLogits: boolean;
  readonly settings: RequestSettings;
  readonly priority: number;
  readonly taskId: number | undefined;
  /** Number of most probable tokens to return with each token; null: no log-probabilities. */
  readonly logprobs: number | null;
  /** Number of most probable tokens to return with each prompt token; null: no log-probabilities of the prompt. */
  readonly promptLogprobs: number | null;
  readonly events: EventQueue<ServingEvent>;
  computed = 0;
  readonly table: number[] = [];
  cachedTokens = 0;
  preemptions = 0;
  charged = 0;
  /** True if the reader has left or the request has failed. The engine removes the request before the next pass. */
  abandoned = false;
  lease: AdapterLease | null = null;
  actsFrom = 0;
  plainUntil = 0;
  /** Time when the request's first pass started, in milliseconds; NaN before the first pass. */
  admittedAt: number = Number.NaN;
  readonly #arrivedAt: number = performance.now();
  readonly #givesPrompt: boolean;
  readonly #returnPromptTokens: boolean;
  readonly #context: RequestContext;
  readonly #text: AnswerText;
  readonly #promptText: StreamDecoder;
  #edits: LogitEdits | null = null;
  #started = false;
  /** Number of prompt tokens that have been sent as events. */
  #echoed = 0;

  /** `onRoom` is called when a slow reader has caught up. */
  constructor(
    request: ServingRequest,
    settings: RequestSettings,
    { arrival, onRoom }: { readonly arrival: number; onRoom(): void },
    context: RequestContext,
  ) {
    const { prompt, stops } = settings;
    const { tokenizer } = context;
    this.events = new EventQueue(onRoom);
    this.id = request.id;
    this.tenant = request.tenant;
    this.operator = request.operator ?? false;
    this.adapterMemory = request.adapterMemory;
    this.adapter = request.adapter;
    this.arrival = arrival;
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.settings = settings;
    this.priority = request.priority ?? 0;
    this.taskId = request.taskId;
    const { logprobs = null, echo = false, skipSpecialTokens = true } = request;
    const echoed = echo ? logprobs : null;
    this.logprobs = logprobs;
    this.promptLogprobs = settings.promptLogprobs === null ? echoed : Math.max(settings.promptLogprobs, echoed ?? 0);
    this.wantsPromptLogits = this.promptLogprobs !== null;
    this.#givesPrompt = echo || this.wantsPromptLogits;
    this.#returnPromptTokens = request.returnPromptTokens ?? false;
    this.#context = context;
    this.#text = new AnswerText(tokenizer, prompt, {
      eosTokenIds: request.ignoreEos ? [] : context.eosTokenIds,
      stopTokenIds: request.stopTokenIds ?? [],
      stops,
      minTokens: settings.bans.minTokens,
      includeStop: request.includeStop ?? false,
      skipSpecialTokens,
    });
    this.#promptText = new StreamDecoder(tokenizer, { skipSpecialTokens });
  }

  get version(): string | null {
    return this.lease?.version ?? null;
  }

  get isPaused(): boolean {
    return this.events.isFull;
  }

  get newTokens(): number {
    return this.tokens.length - this.promptLength;
  }

  /** True if the sequence has fewer new tokens than its maximum. */
  get wantsToken(): boolean {
    return this.newTokens < this.settings.maxNewTokens;
  }

  /**
   * Returns the object that edits this request's logits, created at the first call; null if the settings need no edits.
   */
  edits(): LogitEdits | null {
    if (!LogitEdits.needed(this.settings)) return null;
    this.#edits ??= new LogitEdits(this.settings, this.#context.model);
    return this.#edits;
  }

  /**
   * Called after each pass. The first call sends the "started" event, and the prompt if requested, and returns true.
   * Later calls return false.
   */
  start(): boolean {
    if (this.#started) return false;
    this.#started = true;
    const { promptLength: promptTokens, cachedTokens, version } = this;
    const promptTokenIds = this.#returnPromptTokens ? { promptTokenIds: this.settings.prompt } : {};
    const queueSeconds = (this.admittedAt - this.#arrivedAt) / 1000;
    this.events.push({ type: "started", promptTokens, cachedTokens, version, ...promptTokenIds, queueSeconds });
    if (this.wantsPromptLogits) this.#echoToken(null);
    else if (this.#givesPrompt) while (this.#echoed < promptTokens) this.#echoToken();
    return true;
  }

  /** Sends the prompt token at `position` with its log-probability. */
  acceptPrompt(position: number, row: RowLogprobs): void {
    // A preempted sequence recomputes rows whose tokens have already been sent.
    if (position === this.#echoed) this.#echoToken(row);
  }

  #echoToken(row?: RowLogprobs | null): void {
    const token = this.tokens[this.#echoed++];
    const text = this.#promptText.push(token) + (this.#echoed === this.promptLength ? this.#promptText.flush() : "");
    const logprob = row === undefined ? {} : { logprob: this.#logprob(token, row) };
    this.events.push({ type: "token", token, text, prompt: true, ...logprob });
  }

  /** Adds a new token and sends it. Returns true if the request has ended. */
  accept(token: number, row: RowLogprobs | null): boolean {
    this.tokens.push(token);
    this.#edits?.count(token);
    const piece = this.#text.push(token);
    const ended = this.#text.ended || !this.wantsToken;
    const text = ended ? piece + this.#text.flush() : piece;
    const logprob = row ? { logprob: this.#logprob(token, row) } : {};
    this.events.push({ type: "token", token, text, prompt: false, ...logprob });
    return ended;
  }

  #logprob(token: number, row: RowLogprobs | null): TokenLogprob & { readonly top: readonly TokenLogprob[] } {
    const { texts } = this.#context;
    const ranked = row !== null && row.rank !== null;
    const top = (row?.top ?? []).map((likely, i) => {
      return { ...likely, ...texts.of(likely.token), ...(ranked ? { rank: i + 1 } : {}) };
    });
    return { token, ...texts.of(token), logprob: row?.logprob ?? null, top, ...(ranked ? { rank: row.rank! } : {}) };
  }

  /** Sends the "finished" event, and ends the events. */
  finish(): void {
    const { promptLength: promptTokens, newTokens, cachedTokens } = this;
    const reason = this.#text.ended ? "stop" : "length";
    const stopReason = this.#text.ended ? { stopReason: this.#text.stopReason } : {};
    this.events.push({ type: "finished", reason, promptTokens, newTokens, cachedTokens, ...stopReason });
    this.events.end();
  }

  /** Frees the logit edits and the adapter lease, but not the pages. */
  release(): void {
    this.#edits?.dispose();
    this.#edits = null;
    this.lease?.release();
  }
}

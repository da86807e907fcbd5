import { StreamDecoder, type Tokenizer } from "@lowrank/models";
import { RowText, stopFilter } from "@lowrank/models/generation";
import type { AdapterLease } from "../adapters/adapterSource.ts";
import type { ServingEvent, ServingRequest, TokenLogprob } from "../api.ts";
import { EventQueue } from "./eventQueue.ts";
import { LogitEdits } from "./logitEdits.ts";
import type { RequestSettings } from "./readRequest.ts";
import type { Sequence } from "./sequence.ts";
import type { TokenTexts } from "./tokenTexts.ts";

/** A token's log-probability and the likeliest tokens with theirs, as numbers. */
export interface RowLogprobs {
  readonly logprob: number;
  readonly top: readonly { readonly token: number; readonly logprob: number }[];
}

/** The parts of an engine that a request writes its events with. */
export interface RequestContext {
  readonly model: ConstructorParameters<typeof LogitEdits>[2];
  readonly tokenizer: Tokenizer;
  readonly texts: TokenTexts;
  readonly eosTokenIds: readonly number[];
}

/** A request while it is served: its sequence, and the events that it gives. */
export class ServedRequest implements Sequence {
  readonly id: string;
  readonly tenant: string;
  readonly adapter: string | null;
  readonly arrival: number;
  readonly tokens: number[];
  readonly promptLength: number;
  readonly wantsPromptLogits: boolean;
  readonly settings: RequestSettings;
  /** So many of the likeliest tokens come with each token; null: no log-probabilities. */
  readonly logprobs: number | null;
  readonly events: EventQueue<ServingEvent>;
  computed = 0;
  readonly table: number[] = [];
  cachedTokens = 0;
  preemptions = 0;
  charged = 0;
  /** True once its reader has left or it has failed: the engine frees it before the next pass. */
  abandoned = false;
  lease: AdapterLease | null = null;
  readonly #echo: boolean;
  readonly #context: RequestContext;
  readonly #text: RowText;
  readonly #promptText: StreamDecoder;
  #edits: LogitEdits | null = null;
  #started = false;
  /** Tokens of the prompt that were given as events. */
  #echoed = 0;

  /** `onRoom` is called when its reader, who was behind, has caught up. */
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
    this.adapter = request.adapter;
    this.arrival = arrival;
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.settings = settings;
    this.logprobs = request.logprobs ?? null;
    this.#echo = request.echo ?? false;
    this.wantsPromptLogits = this.#echo && this.logprobs !== null;
    this.#context = context;
    const eosTokenIds = request.ignoreEos ? [] : context.eosTokenIds;
    this.#text = new RowText(tokenizer, prompt, { eosTokenIds, skipSpecialTokens: true }, stopFilter(stops));
    this.#promptText = new StreamDecoder(tokenizer, { skipSpecialTokens: true });
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

  /** True if its next token is to be chosen from the logits after all its tokens. */
  get wantsToken(): boolean {
    return this.newTokens < this.settings.maxNewTokens;
  }

  /** Returns the changes of its logits, from the first token on; null where there are none. */
  edits(): LogitEdits | null {
    const { sampling, prompt } = this.settings;
    if (!LogitEdits.needed(sampling)) return null;
    this.#edits ??= new LogitEdits(sampling, prompt, this.#context.model);
    return this.#edits;
  }

  /** Notes that a pass has run; true for the first, which gives the prompt where it is wanted. */
  start(): boolean {
    if (this.#started) return false;
    this.#started = true;
    const { promptLength: promptTokens, cachedTokens, version } = this;
    this.events.push({ type: "started", promptTokens, cachedTokens, version });
    if (this.wantsPromptLogits) this.#echoToken(null);
    else if (this.#echo) while (this.#echoed < promptTokens) this.#echoToken();
    return true;
  }

  /** Takes the log-probability of the prompt's token at `position`. */
  acceptPrompt(position: number, row: RowLogprobs): void {
    // A sequence that was put off computes rows again whose tokens have been given.
    if (position === this.#echoed) this.#echoToken(row);
  }

  #echoToken(row?: RowLogprobs | null): void {
    const token = this.tokens[this.#echoed++];
    const text = this.#promptText.push(token) + (this.#echoed === this.promptLength ? this.#promptText.flush() : "");
    const logprob = row === undefined ? {} : { logprob: this.#logprob(token, row) };
    this.events.push({ type: "token", token, text, prompt: true, ...logprob });
  }

  /** Takes a new token; true if the request has ended with it. */
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
    const top = (row?.top ?? []).map((likely) => ({ ...likely, ...texts.of(likely.token) }));
    return { token, ...texts.of(token), logprob: row?.logprob ?? null, top };
  }

  /** Gives the last event. */
  finish(): void {
    const { promptLength: promptTokens, newTokens, cachedTokens } = this;
    const reason = this.#text.ended ? "stop" : "length";
    this.events.push({ type: "finished", reason, promptTokens, newTokens, cachedTokens });
    this.events.end();
  }

  /** Gives back what it holds beside pages. */
  release(): void {
    this.#edits?.dispose();
    this.#edits = null;
    this.lease?.release();
  }
}

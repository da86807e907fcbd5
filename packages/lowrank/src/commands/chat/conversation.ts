import { basename } from "node:path";
import {
  type CausalLM,
  type ChatMessage,
  chatEnds,
  type GenerateOptions,
  PromptCache,
  streamText,
  type Tokenizer,
} from "@lowrank/models";
import { PeftModel } from "@lowrank/peft";
import { warn } from "../../cli/loading/loading.ts";

/** Answer of the model, with token counts and duration. */
export interface Turn {
  readonly text: string;
  /** Number of tokens in the prompt. */
  readonly promptTokens: number;
  /** Number of prompt tokens whose keys and values were already in the cache. */
  readonly reusedTokens: number;
  /** Number of generated tokens, including the EOS token. */
  readonly newTokens: number;
  readonly seconds: number;
  /** True if the answer was aborted. */
  readonly interrupted: boolean;
}

/** Settings of one answer. */
interface AnswerOptions extends Pick<GenerateOptions, "doSample" | "temperature" | "topK" | "topP" | "seed"> {
  maxNewTokens: number;
  signal: AbortSignal;
  onText(piece: string): void;
}

/**
 * Conversation with a model: its turns, the system prompt, and loaded adapters, of which at most one is active. The KV
 * cache is kept from turn to turn.
 */
export class Conversation implements Disposable {
  readonly messages: ChatMessage[] = [];
  readonly #model: CausalLM;
  readonly #tokenizer: Tokenizer;
  readonly #peft: PeftModel<CausalLM>;
  readonly #eosTokenIds: readonly number[];
  /** Folder or address of each loaded adapter, by the adapter's name. */
  readonly #adapters = new Map<string, string>();
  readonly #cache = new PromptCache();
  #system: string | null = null;
  #active: string | null = null;

  /** Creates a conversation. Throws if the model has no chat template. */
  static async with(model: CausalLM, tokenizer: Tokenizer): Promise<Conversation> {
    return new Conversation(model, tokenizer, await chatEnds(model, tokenizer));
  }

  private constructor(model: CausalLM, tokenizer: Tokenizer, eosTokenIds: readonly number[]) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#peft = new PeftModel(model, warn);
    this.#eosTokenIds = eosTokenIds;
  }

  /** Folder or address of each loaded adapter, by the adapter's name. */
  get adapters(): ReadonlyMap<string, string> {
    return this.#adapters;
  }

  /** Name of the active adapter; null for the base model. */
  get active(): string | null {
    return this.#active;
  }

  get system(): string | null {
    return this.#system;
  }

  /** Sets the system prompt; null removes it. */
  set system(text: string | null) {
    this.#system = text;
  }

  /** Removes all turns. The system prompt and the adapters stay. */
  reset(): void {
    this.messages.length = 0;
  }

  /**
   * Activates an adapter by its name, or loads and activates one from a folder or address. Null activates the base
   * model. Returns the name.
   */
  async use(word: string | null): Promise<string | null> {
    const name = word === null || this.#adapters.has(word) ? word : await this.#load(word);
    if (name !== null) this.#peft.setAdapter(name);
    if (name !== this.#active) this.#cache.clear();
    this.#active = name;
    return name;
  }

  async #load(source: string): Promise<string> {
    const name = this.#freeName(basename(source.replace(/[/\\]+$/, "")).replace(/[.\s]+/g, "_") || "adapter");
    await this.#peft.loadAdapter(source, name);
    this.#adapters.set(name, source);
    return name;
  }

  /** Adds a number to a name that is taken, since two folders may have the same name. */
  #freeName(name: string): string {
    if (!this.#adapters.has(name)) return name;
    let number = 2;
    while (this.#adapters.has(`${name}-${number}`)) number++;
    return `${name}-${number}`;
  }

  /** Messages of the conversation, with the system prompt first. */
  get transcript(): readonly ChatMessage[] {
    return this.#system === null ? this.messages : [{ role: "system", content: this.#system }, ...this.messages];
  }

  /**
   * Sends a message and streams the answer, which is kept even if it is aborted. Throws and leaves the conversation
   * unchanged if the prompt does not fit the model's context.
   */
  async answer(text: string, { maxNewTokens, signal, onText, ...sampling }: AnswerOptions): Promise<Turn> {
    const question = { role: "user", content: text };
    const ids = await this.#encode([...this.transcript, question]);
    const room = this.#model.maxPositions - (this.#model.virtualTokens?.count ?? 0) - ids.length;
    if (room < 1) {
      throw new Error(
        `the conversation has ${ids.length} tokens, but the model has only ${this.#model.maxPositions} positions; start again with /reset`,
      );
    }
    const begin = performance.now();
    let [answer, newTokens, interrupted] = ["", 0, false];
    const settings = {
      ...sampling,
      ...{ maxNewTokens: Math.min(maxNewTokens, room), eosTokenIds: this.#eosTokenIds },
      ...{ promptCache: this.#cache, signal, onToken: () => void newTokens++ },
    };
    const run = async () => {
      for await (const piece of streamText(this.#model, this.#tokenizer, ids, settings)) {
        answer += piece;
        onText(piece);
      }
    };
    try {
      await (this.#active === null ? this.#peft.disableAdapter(run) : run());
    } catch (error) {
      if (!signal.aborted) throw error;
      interrupted = true;
    }
    this.messages.push(question, { role: "assistant", content: answer });
    return {
      text: answer,
      promptTokens: ids.length,
      reusedTokens: this.#cache.reused,
      newTokens,
      seconds: (performance.now() - begin) / 1000,
      interrupted,
    };
  }

  async #encode(messages: readonly ChatMessage[]): Promise<number[]> {
    const text = await this.#tokenizer.applyChatTemplate(messages, { addGenerationPrompt: true });
    return this.#tokenizer.encode(text, { addSpecialTokens: false });
  }

  [Symbol.dispose](): void {
    this.#cache.clear();
  }
}

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

/** One answer, and what it cost. */
export interface Turn {
  readonly text: string;
  /** Tokens of the prompt, and those of them that had run before; new ones count EOS. */
  readonly promptTokens: number;
  readonly reusedTokens: number;
  readonly newTokens: number;
  readonly seconds: number;
  /** True for an answer that was stopped from outside. */
  readonly interrupted: boolean;
}

/** Settings of one answer. */
interface AnswerOptions extends Pick<GenerateOptions, "doSample" | "temperature" | "topK" | "topP" | "seed"> {
  maxNewTokens: number;
  signal: AbortSignal;
  onText(piece: string): void;
}

/**
 * A conversation with a model: its turns, the system prompt, and adapters of which one acts. Keys
 * and values are kept from turn to turn.
 */
export class Conversation implements Disposable {
  readonly messages: ChatMessage[] = [];
  readonly #model: CausalLM;
  readonly #tokenizer: Tokenizer;
  readonly #peft: PeftModel<CausalLM>;
  readonly #eosTokenIds: readonly number[];
  /** The folders or addresses of adapters by their names. */
  readonly #adapters = new Map<string, string>();
  readonly #cache = new PromptCache();
  #system: string | null = null;
  #active: string | null = null;

  /** Throws where the model has no chat template. */
  static async with(model: CausalLM, tokenizer: Tokenizer): Promise<Conversation> {
    return new Conversation(model, tokenizer, await chatEnds(model, tokenizer));
  }

  private constructor(model: CausalLM, tokenizer: Tokenizer, eosTokenIds: readonly number[]) {
    this.#model = model;
    this.#tokenizer = tokenizer;
    this.#peft = new PeftModel(model, warn);
    this.#eosTokenIds = eosTokenIds;
  }

  /** The adapters that were loaded: names and where from. */
  get adapters(): ReadonlyMap<string, string> {
    return this.#adapters;
  }

  /** The name of the adapter that acts; null for the base model. */
  get active(): string | null {
    return this.#active;
  }

  get system(): string | null {
    return this.#system;
  }

  /** Sets what the model is told before all turns; null for nothing. */
  set system(text: string | null) {
    this.#system = text;
  }

  /** Forgets all turns; system prompt and adapters stay. */
  reset(): void {
    this.messages.length = 0;
  }

  /**
   * Makes an adapter act: by its name, or by its folder or address, which is loaded first. Null is
   * for the base model.
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

  /** Two folders may have one name. */
  #freeName(name: string): string {
    if (!this.#adapters.has(name)) return name;
    let number = 2;
    while (this.#adapters.has(`${name}-${number}`)) number++;
    return `${name}-${number}`;
  }

  /** The messages with the system prompt before them. */
  get transcript(): readonly ChatMessage[] {
    return this.#system === null ? this.messages : [{ role: "system", content: this.#system }, ...this.messages];
  }

  /**
   * Says a text and streams the answer, which is kept even if it was stopped half-way. Throws, with
   * the conversation as it was, where the model has no room.
   */
  async answer(text: string, { maxNewTokens, signal, onText, ...sampling }: AnswerOptions): Promise<Turn> {
    const question = { role: "user", content: text };
    const ids = await this.#encode([...this.transcript, question]);
    const room = this.#model.maxPositions - (this.#model.virtualTokens?.count ?? 0) - ids.length;
    if (room < 1) {
      throw new Error(
        `the conversation has ${ids.length} tokens, and the model ${this.#model.maxPositions} positions; /reset begins anew`,
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

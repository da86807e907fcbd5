import type { ServingEvent, ServingRequest } from "../api/api.ts";
import { ScriptedEngine } from "./scriptedEngine.ts";

/** Engine that gives every request a token per pass, as a batch does, and blocks for `milliseconds` in each pass. */
export class PassEngine extends ScriptedEngine {
  readonly #milliseconds: number;
  readonly #rows = new Set<() => void>();
  #passes = 0;
  #isLooping = false;

  constructor(milliseconds: number) {
    super();
    this.#milliseconds = milliseconds;
  }

  override async *generate(
    request: ServingRequest,
    signal?: AbortSignal,
  ): AsyncGenerator<ServingEvent, void, undefined> {
    this.running.add(request.id);
    try {
      yield { type: "started", promptTokens: 1, cachedTokens: 0, version: null };
      const most = request.maxNewTokens ?? 1000;
      for (let i = 0; i < most; i++) {
        await this.#pass();
        signal?.throwIfAborted();
        yield { type: "token", token: this.#passes, text: "x", prompt: false };
      }
      yield { type: "finished", reason: "length", promptTokens: 1, newTokens: most, cachedTokens: 0 };
    } finally {
      this.running.delete(request.id);
    }
  }

  /** Returns the number of passes so far as text. */
  override async detokenize(): Promise<string> {
    return `${this.#passes} passes, ${this.running.size} running`;
  }

  #pass(): Promise<void> {
    return new Promise((resolve) => {
      this.#rows.add(resolve);
      if (!this.#isLooping) void this.#loop();
    });
  }

  async #loop(): Promise<void> {
    this.#isLooping = true;
    for (;;) {
      // Lets messages in between passes.
      await new Promise((resolve) => setTimeout(resolve));
      if (this.#rows.size === 0) break;
      const end = performance.now() + this.#milliseconds;
      while (performance.now() < end);
      this.#passes++;
      const rows = [...this.#rows];
      this.#rows.clear();
      for (const row of rows) row();
    }
    this.#isLooping = false;
  }
}

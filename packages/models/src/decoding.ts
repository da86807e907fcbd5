import { argmaxTokens, checkLogits, Generator, sampleTokens, type Tensor, tensor } from "@lowrank/core";
import type { KVCache } from "@lowrank/nn";
import type { CausalLM } from "./causalLM.ts";
import type { GenerateOptions } from "./generate.ts";
import { Penalties } from "./penalties.ts";

/** A batch of sequences while it grows, on the backend that holds the model. */
export class Decoding implements Disposable {
  /** The new tokens of each row. */
  readonly outputs: number[][];
  steps = 0;
  readonly #model: CausalLM;
  readonly #prompts: readonly (readonly number[])[];
  readonly #options: GenerateOptions;
  readonly #cache: KVCache;
  readonly #penalties: Penalties;
  readonly #generator: Generator;
  readonly #finished: boolean[];
  /** The tokens to run next [B, T], and the tokens of padding at the left of each row. */
  #next: number[][];
  readonly #padding: number[];
  /** Tokens of each row that the cache holds, padding included, virtual ones not. */
  #seen = 0;

  /** Makes room for rows of up to `capacity` tokens. */
  constructor(model: CausalLM, prompts: readonly (readonly number[])[], capacity: number, options: GenerateOptions) {
    const longest = Math.max(...prompts.map((p) => p.length));
    this.#model = model;
    this.#prompts = prompts;
    this.#options = options;
    this.#penalties = new Penalties(options, [prompts.length, model.vocabSize], model.backend);
    this.#cache = model.createCache(prompts.length, capacity);
    this.#generator = new Generator(options.seed ?? 0);
    this.#padding = prompts.map((p) => longest - p.length);
    this.#next = prompts.map((p, row) => [...new Array<number>(this.#padding[row]).fill(0), ...p]);
    this.outputs = prompts.map(() => []);
    this.#finished = prompts.map(() => false);
  }

  /** True once every row has ended. */
  get done(): boolean {
    return this.#finished.every((f) => f);
  }

  /** Adds a token to each row that has not ended. */
  async step(): Promise<void> {
    using logits = this.#forward();
    const tokens = await this.#choose(logits);
    this.#next = this.#prompts.map((_, row) => {
      if (this.#finished[row]) return [0];
      const token = tokens[row];
      this.outputs[row].push(token);
      this.#options.onToken?.(token, row);
      if (this.#options.eosTokenIds?.includes(token)) this.#finished[row] = true;
      return [token];
    });
    this.steps++;
  }

  /** Runs the next tokens; logits f32 [B, V] of those after them. */
  #forward(): Tensor {
    const [B, T, seen] = [this.#next.length, this.#next[0].length, this.#seen];
    const { backend } = this.#model;
    this.#seen += T;
    using inputIds = tensor(Int32Array.from(this.#next.flat()), { shape: [B, T], backend });
    this.#count(inputIds);
    if (this.#padding.every((p) => p === 0)) {
      return this.#model.nextLogits({ inputIds, cache: this.#cache });
    }
    const mask = this.#padding.map((pad) => Array.from({ length: seen + T }, (_, s) => (s < pad ? 0 : 1)));
    const positions = this.#padding.map((pad) => Array.from({ length: T }, (_, t) => Math.max(0, seen + t - pad)));
    using attentionMask = tensor(mask, { dtype: "u8", backend });
    using positionIds = tensor(positions, { dtype: "i32", backend });
    return this.#model.nextLogits({ inputIds, attentionMask, positionIds, cache: this.#cache });
  }

  /** Counts the tokens that run next, which bear on those after them. */
  #count(inputIds: Tensor): void {
    if (!this.#penalties.any) return;
    const { backend } = this.#model;
    if (this.steps > 0) {
      using mask = tensor(
        this.#finished.map((finished) => [finished ? 0 : 1]),
        { dtype: "u8", backend },
      );
      this.#penalties.countToken(inputIds, mask);
      return;
    }
    const isToken = this.#next.map((row, r) => row.map((_, t) => (t < this.#padding[r] ? 0 : 1)));
    using mask = tensor(isToken, { dtype: "u8", backend });
    this.#penalties.countPrompt(inputIds, mask);
  }

  /** The next token of each row. Throws where none can be chosen for a row that has not ended. */
  async #choose(logits: Tensor): Promise<Int32Array> {
    const { logitsProcessor, doSample = false } = this.#options;
    using penalised = this.#penalties.apply(logits);
    using wanted = logitsProcessor ? await this.#process(penalised, logitsProcessor) : penalised;
    using chosen = doSample
      ? sampleTokens(wanted, { ...this.#samplingOptions(), generator: this.#generator })
      : argmaxTokens(wanted);
    const tokens = (await chosen.data()) as Int32Array;
    const bad = tokens.findIndex((token, row) => token < 0 && !this.#finished[row]);
    if (bad >= 0) {
      const { vocabSize } = this.#model;
      checkLogits(((await wanted.data()) as Float32Array).subarray(bad * vocabSize, (bad + 1) * vocabSize));
    }
    return tokens;
  }

  #samplingOptions() {
    const { temperature, topK, topP, minP } = this.#options;
    return { temperature, topK, topP, minP };
  }

  /** Reads the logits, and writes back those that the user's function makes of them. */
  async #process(logits: Tensor, processor: NonNullable<GenerateOptions["logitsProcessor"]>): Promise<Tensor> {
    const { vocabSize, backend } = this.#model;
    const values = (await logits.data()) as Float32Array;
    for (const [row, prompt] of this.#prompts.entries()) {
      if (this.#finished[row]) continue;
      const own = values.subarray(row * vocabSize, (row + 1) * vocabSize);
      const processed = processor(own, [...prompt, ...this.outputs[row]], row);
      if (processed?.length !== vocabSize) {
        throw new Error(
          `generate: logitsProcessor returned ${processed?.length ?? "no"} logits for row ${row}; return all ${vocabSize}`,
        );
      }
      own.set(processed);
    }
    return tensor(values, { shape: logits.shape, backend });
  }

  dispose(): void {
    this.#cache.dispose();
    this.#penalties.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

import { join } from "node:path";
import { init, scope, tensor } from "@lowrank/core";
import { argmaxTokens } from "@lowrank/core/internal";
import { type CausalLM, loadModel } from "@lowrank/models";
import type { KVCache } from "@lowrank/nn";
import { PeftModel } from "@lowrank/peft";
import { wasm } from "@lowrank/wasm";
import type { Racer } from "./race.ts";
import { packed, promptTokens } from "./startEngine.ts";

/** Number of tokens per sequence and round. */
const turns = 1;
/** Cache capacity in tokens for the prompt and the maximum number of rounds. */
const capacity = 128;

const prompt = Array.from({ length: promptTokens }, (_, i) => 100 + 7 * i);

/** Returns a contestant that times turns in which each of `steps` decodes one token. */
function turnsRacer(name: string, steps: readonly (() => Promise<void>)[]): Racer {
  const run = async () => {
    const start = performance.now();
    for (let turn = 0; turn < turns; turn++) for (const step of steps) await step();
    return (1000 * turns * steps.length) / (performance.now() - start);
  };
  return { name, run };
}

/**
 * Returns a contestant with one model and several adapters in memory, which activates each adapter in turn for one
 * token.
 */
export async function switching(name: string, model: string, folder: string, names: readonly string[]): Promise<Racer> {
  await init(wasm());
  const loaded = await loadModel(model, packed);
  const peft = new PeftModel(loaded.model as CausalLM);
  const steps = [];
  for (const adapter of names) {
    await peft.loadAdapter(join(folder, adapter), adapter);
    const activate = () => peft.setAdapter(adapter, { inferenceMode: true });
    activate();
    const sequence = await LoneSequence.start(peft.baseModel, prompt, capacity);
    steps.push(async () => {
      activate();
      await sequence.step();
    });
  }
  return turnsRacer(name, steps);
}

/**
 * Returns a contestant with one copy of the model per sequence. These are copies of the base, which run at the same
 * speed as merged copies in the base's format.
 */
export async function copies(name: string, model: string, count: number): Promise<Racer> {
  await init(wasm());
  const steps = [];
  for (let i = 0; i < count; i++) {
    const loaded = await loadModel(model, packed);
    const sequence = await LoneSequence.start(loaded.model as CausalLM, prompt, capacity);
    steps.push(() => sequence.step());
  }
  return turnsRacer(name, steps);
}

/** A sequence that decodes without an engine: it has its own cache and one row per pass. */
class LoneSequence {
  readonly #model: CausalLM;
  readonly #cache: KVCache;
  #last = 0;

  private constructor(model: CausalLM, capacity: number) {
    this.#model = model;
    this.#cache = model.createCache(1, capacity);
  }

  /** Runs the prompt and allocates a cache for `capacity` tokens in total. */
  static async start(model: CausalLM, prompt: readonly number[], capacity: number): Promise<LoneSequence> {
    const sequence = new LoneSequence(model, capacity);
    await sequence.#run(prompt);
    return sequence;
  }

  /** Decodes one token. */
  async step(): Promise<void> {
    await this.#run([this.#last]);
  }

  async #run(tokens: readonly number[]): Promise<void> {
    const { backend } = this.#model;
    using next = scope(() => {
      const inputIds = tensor(Int32Array.from(tokens), { shape: [1, tokens.length], backend });
      return argmaxTokens(this.#model.nextLogits({ inputIds, cache: this.#cache }));
    });
    this.#last = (await next.data())[0]!;
  }

  [Symbol.dispose](): void {
    this.#cache.dispose();
  }
}

import type { AdapterSource as AdapterFiles, PeftModel } from "@lowrank/peft";
import type { AdapterHost } from "../adapters/adapterSource.ts";
import { ServingError } from "../api.ts";
import type { PagePool } from "../cache/pagePool.ts";
import type { Turnstile } from "./turnstile.ts";

/** Puts versions of adapters on a model between passes, one at a time. */
export class ModelAdapters implements AdapterHost {
  readonly #peft: PeftModel;
  readonly #pool: PagePool;
  readonly #turnstile: Turnstile;
  readonly #versions = new Set<string>();

  constructor(peft: PeftModel, pool: PagePool, turnstile: Turnstile) {
    this.#peft = peft;
    this.#pool = pool;
    this.#turnstile = turnstile;
  }

  load(version: string, files: AdapterFiles): Promise<{ bytes: number; method: string }> {
    return this.#turnstile.pass(() => this.#load(version, files));
  }

  async #load(version: string, files: AdapterFiles): Promise<{ bytes: number; method: string }> {
    const peft = this.#peft;
    const before = new Set([...peft.parameters()].map(({ storage }) => storage));
    try {
      await peft.loadAdapter(files, version);
    } catch (error) {
      throw refused(error);
    }
    try {
      // An adapter that acts on all rows of a batch is refused here, in words that say why.
      peft.withAdapterNames([version], () => undefined);
    } catch (error) {
      peft.deleteAdapter(version);
      throw refused(error);
    }
    this.#versions.add(version);
    const own = new Set([...peft.adapterTensors(version).values()].map(({ storage }) => storage));
    const bytes = [...own].filter((storage) => !before.has(storage)).map(({ buffer }) => buffer.bytes);
    return { bytes: bytes.reduce((a, b) => a + b, 0), method: peft.peftConfig.get(version)!.peftType };
  }

  unload(version: string): Promise<void> {
    return this.#turnstile.pass(() => this.#unload(version));
  }

  #unload(version: string): void {
    if (!this.#versions.delete(version)) return;
    this.#peft.deleteAdapter(version);
    this.#pool.drop(version);
  }

  /** Takes all versions off the model. */
  async clear(): Promise<void> {
    for (const version of [...this.#versions]) await this.unload(version);
  }
}

function refused(error: unknown): ServingError {
  return new ServingError("adapter_refused", error instanceof Error ? error.message : String(error), "lora_path");
}

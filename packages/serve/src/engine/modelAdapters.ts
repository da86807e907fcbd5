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
  /** The memory of the tensors of each version. */
  readonly #versions = new Map<string, ReadonlySet<object>>();
  /** The number of versions that hold memory; that of the base model counts as held too. */
  readonly #holders: Map<object, number>;

  constructor(peft: PeftModel, pool: PagePool, turnstile: Turnstile) {
    this.#peft = peft;
    this.#pool = pool;
    this.#turnstile = turnstile;
    this.#holders = new Map(Array.from(peft.parameters(), ({ storage }) => [storage, 1]));
  }

  load(version: string, files: AdapterFiles): Promise<{ bytes: number; method: string }> {
    return this.#turnstile.pass(() => this.#load(version, files));
  }

  async #load(version: string, files: AdapterFiles): Promise<{ bytes: number; method: string }> {
    const peft = this.#peft;
    try {
      // In half precision where the file has it so and the method computes with that, else in f32.
      await peft
        .loadAdapter(files, version, { autocastAdapterDtype: false })
        .catch(() => peft.loadAdapter(files, version));
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
    const own = new Set([...peft.adapterTensors(version).values()].map(({ storage }) => storage));
    const bytes = [...own].filter((storage) => !this.#holders.has(storage)).map(({ buffer }) => buffer.bytes);
    this.#versions.set(version, own);
    for (const storage of own) this.#holders.set(storage, (this.#holders.get(storage) ?? 0) + 1);
    return { bytes: bytes.reduce((a, b) => a + b, 0), method: peft.base_model.adapter(version).config.peftType };
  }

  unload(version: string): Promise<void> {
    return this.#turnstile.pass(() => this.#unload(version));
  }

  #unload(version: string): void {
    const own = this.#versions.get(version);
    if (!own) return;
    this.#versions.delete(version);
    for (const storage of own) {
      const others = this.#holders.get(storage)! - 1;
      if (others > 0) this.#holders.set(storage, others);
      else this.#holders.delete(storage);
    }
    this.#peft.deleteAdapter(version);
    this.#pool.drop(version);
  }

  /** Takes all versions off the model. */
  async clear(): Promise<void> {
    for (const version of [...this.#versions.keys()]) await this.unload(version);
  }
}

function refused(error: unknown): ServingError {
  return new ServingError("adapter_refused", error instanceof Error ? error.message : String(error), "lora_path");
}

import { byteLength as bytesOf, type Tensor } from "@lowrank/core";
import { overwriteBytes } from "@lowrank/core/internal";
import type { AdapterSource as AdapterFiles, MethodFacts, PeftConfig, PeftModel } from "@lowrank/peft";
import { TunerLayer } from "@lowrank/peft/internal";
import type { AdapterHost, AdapterLayout, AdapterValues } from "../api/adapterProvider.ts";
import { ServingError } from "../api/api.ts";
import type { PagePool } from "../cache/pagePool.ts";
import type { Mutex } from "./mutex.ts";
import { invalid } from "./requests/invalidRequest.ts";
import type { Sequence } from "./scheduling/sequence.ts";

/** Adapter on the model, whose tensors another version with the same layout can overwrite and reuse. */
interface Seat {
  /** Name of the adapter on the model. */
  readonly name: string;
  readonly method: string;
  /** Bytes of the adapter's tensors. Tensors that belong to the base model do not count. */
  readonly bytes: number;
  readonly layout: AdapterLayout | undefined;
  /**
   * Tensors into which another version's values can be written, in the order of the adapter's file. Null if the tensors
   * cannot be overwritten.
   */
  readonly places: readonly Tensor[] | null;
}

/** Name for the base model in the list of adapter names, one per row, that `withAdapterNames` takes. */
const baseName = "__base__";

/** Prefix cache, from which the pages of an unloaded version are dropped. */
type Prefixes = Pick<PagePool, "drop">;

/** Loads adapter versions onto a model between passes, one at a time. */
export class ModelAdapters implements AdapterHost {
  readonly #peft: PeftModel;
  readonly #pool: Prefixes;
  readonly #mutex: Mutex;
  readonly #seats = new Map<string, Seat>();
  /** Last argument and result of `#namesOf`; null after a version was loaded or unloaded. */
  #lastNames: { readonly versions: readonly (string | null)[]; readonly names: readonly string[] } | null = null;
  /** Adapters of evicted versions that stay on the model, so that the next load can reuse their tensors. */
  #free: Seat[] = [];
  #seatsMade = 0;
  /** Storages of the base model's tensors. They do not count as memory of an adapter. */
  readonly #base: ReadonlySet<object>;

  constructor(peft: PeftModel, pool: Prefixes, mutex: Mutex) {
    this.#peft = peft;
    this.#pool = pool;
    this.#mutex = mutex;
    this.#base = new Set(Array.from(peft.parameters(), ({ storage }) => storage));
  }

  /**
   * Runs `fn` so that row i of its batches uses the adapter version `versions[i]`; null is the base model. A version
   * that this class has not loaded is used as the name of an adapter that was already on the model.
   */
  run<T>(versions: readonly (string | null)[], fn: () => T): T {
    const peft = this.#peft;
    if (peft.activeAdapter === null && versions.every((version) => version === null)) return fn();
    return peft.withAdapterNames(this.#namesOf(versions), fn);
  }

  /** Throws ServingError unless the task is one of the adapter version's. It is required if the adapter has several. */
  checkTask(version: string, adapter: string, taskId: number | undefined): void {
    const name = this.#seats.get(version)?.name ?? version;
    const on = this.#peft.base_model.adapters.get(name);
    if (!on) return;
    const tasks = (on.method as MethodFacts<PeftConfig>).tasks?.(on.config) ?? 0;
    if (taskId === undefined ? tasks <= 1 : tasks === 0 || taskId < tasks) return;
    const expected = tasks === 1 ? "its only task is 0" : `expected a whole number from 0 to ${tasks - 1}`;
    const found = taskId === undefined ? "missing" : String(taskId);
    throw invalid(`task_id is ${found}, and adapter "${adapter}" has ${tasks} tasks; ${expected}`, "task_id");
  }

  /**
   * Returns from which token of a prompt an adapter version acts, and how many tokens at the start have the base
   * model's keys and values. Both are 0 unless the version is an aLoRA, and `Infinity` if the prompt lacks its
   * invocation.
   */
  reachOf(version: string, prompt: readonly number[]): Pick<Sequence, "actsFrom" | "plainUntil"> {
    const tuner = this.#peft.base_model;
    const name = this.#seats.get(version)?.name ?? version;
    const hook = tuner.adapters.get(name)?.shared.hook;
    if (!hook?.start) return { actsFrom: 0, plainUntil: 0 };
    const actsFrom = hook.start(prompt, 0) ?? Number.POSITIVE_INFINITY;
    // Trained rows of embeddings change all tokens.
    const wrappers = [...tuner.wrappers.values()].filter((wrapper) => wrapper.has(name));
    const isPlain = wrappers.every((wrapper) => wrapper instanceof TunerLayer && wrapper.get(name)?.actsOnTokens);
    return { actsFrom, plainUntil: isPlain ? actsFrom : 0 };
  }

  /** Returns the adapter names on the model for a list of versions. Caches the last result. */
  #namesOf(versions: readonly (string | null)[]): readonly string[] {
    const last = this.#lastNames;
    if (last?.versions.length === versions.length && versions.every((version, i) => version === last.versions[i])) {
      return last.names;
    }
    const nameOf = (version: string) => this.#seats.get(version)?.name ?? version;
    const names = versions.map((version) => (version === null ? baseName : nameOf(version)));
    this.#lastNames = { versions, names };
    return names;
  }

  load(version: string, files: AdapterFiles, values?: AdapterValues): ReturnType<AdapterHost["load"]> {
    return this.#mutex.runExclusive(async () => {
      const taken = values && this.#reseat(values);
      const seat = taken ?? (await this.#newSeat(files, values?.layout));
      this.#seats.set(version, seat);
      this.#lastNames = null;
      return { bytes: seat.bytes, method: seat.method, copied: taken !== undefined };
    });
  }

  /**
   * Writes the given values into the tensors of an evicted version, which must have the same layout. Returns undefined
   * if no evicted version has this layout.
   */
  #reseat({ layout, bytes }: AdapterValues): Seat | undefined {
    const at = this.#free.findIndex((seat) => seat.layout === layout);
    if (at < 0) return undefined;
    const [seat] = this.#free.splice(at, 1);
    let begin = 0;
    for (const [i, { byteLength }] of layout.tensors.entries()) {
      overwriteBytes(seat.places![i], bytes.subarray(begin, begin + byteLength));
      begin += byteLength;
    }
    return seat;
  }

  async #newSeat(files: AdapterFiles, layout: AdapterLayout | undefined): Promise<Seat> {
    // The memory for this load includes the memory of the evicted versions, so they must be removed first.
    for (const seat of this.#free.splice(0)) this.#remove(seat);
    const peft = this.#peft;
    const name = `served-${this.#seatsMade++}`;
    try {
      // Loads in half precision if the file has it and the method supports it, otherwise in f32.
      await peft.loadAdapter(files, name, { autocastAdapterDtype: false }).catch(() => peft.loadAdapter(files, name));
    } catch (error) {
      throw refused(error);
    }
    try {
      // Refuses an adapter that would act on all rows of a batch, with a clear error.
      peft.withAdapterNames([name], () => undefined);
    } catch (error) {
      peft.deleteAdapter(name);
      throw refused(error);
    }
    const own = new Set([...peft.adapterTensors(name).values()].map(({ storage }) => storage));
    const alone = [...own].filter((storage) => !this.#base.has(storage));
    const bytes = alone.reduce((sum, { buffer }) => sum + buffer.bytes, 0);
    const places = layout && alone.length === own.size ? valuePlaces(peft.base_model, name, layout) : null;
    return { name, method: peft.base_model.adapter(name).config.peftType, bytes, layout, places };
  }

  unload(version: string, { givesWay }: { readonly givesWay: boolean } = { givesWay: false }): Promise<void> {
    return this.#mutex.runExclusive(() => {
      const seat = this.#seats.get(version);
      if (!seat) return;
      this.#seats.delete(version);
      this.#lastNames = null;
      this.#pool.drop(version);
      if (givesWay && seat.places) this.#free.push(seat);
      else this.#remove(seat);
    });
  }

  #remove({ name }: Seat): void {
    this.#peft.deleteAdapter(name);
  }

  /** Removes all versions from the model. */
  async clear(): Promise<void> {
    for (const version of [...this.#seats.keys()]) await this.unload(version);
    for (const seat of this.#free.splice(0)) this.#remove(seat);
  }
}

function refused(error: unknown): ServingError {
  return new ServingError("adapter_refused", error instanceof Error ? error.message : String(error), "lora_path");
}

/**
 * Returns an adapter's tensors, in the order of the adapter's file, if another adapter's values can be written into
 * them. This requires that the adapter consists only of low-rank products, and that its tensors have the same dtypes
 * and sizes as in the file. Otherwise returns null, since loading may have transformed the values.
 */
function valuePlaces(
  tuner: PeftModel["base_model"],
  name: string,
  { tensors }: AdapterLayout,
): readonly Tensor[] | null {
  const { method, config, prompt, allocator, swaps, tables } = tuner.adapter(name);
  const { combines: form } = method as MethodFacts<PeftConfig>;
  const isProducts = form?.kind === "products" && form.besides(config) === null;
  if (!isProducts || prompt || allocator || swaps.size + tables.size + tuner.constants(name).size > 0) return null;
  const trained = tuner.trained(name);
  if (trained.size !== tensors.length) return null;
  const places: Tensor[] = [];
  for (const { key, dtype, byteLength } of tensors) {
    const tensor = trained.get(key);
    if (tensor?.dtype.toUpperCase() !== dtype || bytesOf(tensor.spec()) !== byteLength) return null;
    places.push(tensor);
  }
  return places;
}

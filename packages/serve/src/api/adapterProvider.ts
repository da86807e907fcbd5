import type { AdapterSource as AdapterFiles } from "@lowrank/peft";
import type { LoadOptions, ServedAdapter, ServingStats, UnloadOptions } from "./api.ts";

/** Lease that keeps one adapter version in memory for one request. */
export interface AdapterLease {
  /** Hash of the adapter's files. It identifies the version. */
  readonly version: string;
  /** Ends the lease. Further calls do nothing. */
  release(): void;
}

/** Tenant, and the limit on the memory of the adapters that the tenant's running requests use. */
export interface MemoryUser {
  readonly tenant: string;
  /** Maximum number of bytes of adapters that the tenant's running requests use together. Default: no limit. */
  readonly adapterMemory?: number;
}

/** User of an adapter. An operator may use the adapters of all tenants. */
export interface AdapterUser extends MemoryUser {
  readonly operator?: boolean;
}

/** Source of adapters by name. It loads an adapter when a request needs it, and evicts adapters when memory is full. */
export interface AdapterProvider {
  /**
   * Resolves a name to its current version, and returns a lease when the version is on the model. Concurrent calls
   * share one load. Throws ServingError `not_found` if the tenant may use no adapter with this name, `adapter_refused`
   * if the adapter cannot be served, and `unavailable` if the store does not answer.
   */
  acquire(name: string, user: AdapterUser): Promise<AdapterLease>;
  list(): Promise<readonly ServedAdapter[]>;
  /** Registers an adapter under a name, after reading and checking its files. `path` is its folder in the store. */
  load(name: string, path: string, options?: LoadOptions): Promise<ServedAdapter>;
  /** Removes a name. The adapter version that had the name leaves memory when its last lease ends. */
  unload(name: string, options?: UnloadOptions): Promise<void>;
  stats(): ServingStats["adapters"];
  /**
   * Ends background work. The engine calls this when no lease is held. The engine itself removes the adapters from the
   * model.
   */
  close(): Promise<void>;
}

/** Layout of an adapter's files: everything but the tensor values. Files with equal layouts share one object. */
export interface AdapterLayout {
  /** Tensors in the order of their data. */
  readonly tensors: readonly { readonly key: string; readonly dtype: string; readonly byteLength: number }[];
}

/** Tensor values of a checked adapter. */
export interface AdapterValues {
  readonly layout: AdapterLayout;
  /** Bytes of all tensors, one after the other. */
  readonly bytes: Uint8Array;
}

/** Loads adapters onto the engine's model and unloads them, between passes and one at a time. */
export interface AdapterHost {
  /**
   * Loads a version onto the model. Returns the bytes of its tensors, and its method as in `peft_type`. Throws
   * ServingError `adapter_refused` for files that do not fit the model, and for methods that cannot differ between rows
   * of a batch; the model is then unchanged. If `values` (the tensor values of `files`) is given, the load may
   * overwrite the tensors of an unloaded version with the same layout. If it has done so, the result's `copied` is
   * true, and the caller may free the memory of the files.
   */
  load(
    version: string,
    files: AdapterFiles,
    values?: AdapterValues,
  ): Promise<{ readonly bytes: number; readonly method: string; readonly copied: boolean }>;
  /**
   * Unloads a version, frees its tensors and drops the prefixes cached for it. If `givesWay` is true, another load
   * follows, which reuses or frees the tensors.
   */
  unload(version: string, options?: { readonly givesWay: boolean }): Promise<void>;
}

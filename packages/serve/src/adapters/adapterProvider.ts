import type { AdapterSource as AdapterFiles } from "@lowrank/peft";
import type { LoadOptions, ServedAdapter, ServingStats, UnloadOptions } from "../api/api.ts";
import type { MemoryUser } from "./heldMemory.ts";

/** Holds one version of an adapter in memory for one request. */
export interface AdapterLease {
  /** The hash of the adapter's files, under which the host has it. */
  readonly version: string;
  /** Gives the version back, once: calling it again does nothing. */
  release(): void;
}

/** Who uses an adapter. An operator may use the adapters of every tenant. */
export interface AdapterUser extends MemoryUser {
  readonly operator?: boolean;
}

/** Adapters by name: registered, loaded when they are used, and dropped when memory runs short. */
export interface AdapterProvider {
  /**
   * Resolves a name to its present version and returns once that is on the model. Loads of the
   * same version share their work. Throws ServingError: `not_found`, also for an adapter that the
   * tenant may not use, `adapter_refused`, `unavailable`.
   */
  acquire(name: string, user: AdapterUser): Promise<AdapterLease>;
  list(): Promise<readonly ServedAdapter[]>;
  /**
   * Registers a folder or key of the store under a name, once its files have been read and found
   * good.
   */
  load(name: string, path: string, options?: LoadOptions): Promise<ServedAdapter>;
  /** Forgets a name. Its version leaves memory when the last lease is given back. */
  unload(name: string, options?: UnloadOptions): Promise<void>;
  stats(): ServingStats["adapters"];
  /**
   * Ends background work. The engine calls it when no lease is out, and frees the model itself of
   * adapters.
   */
  close(): Promise<void>;
}

/** All that an adapter's files say but its numbers: one object for all files that agree in it. */
export interface AdapterLayout {
  /** The tensors in the order of their data. */
  readonly tensors: readonly { readonly key: string; readonly dtype: string; readonly byteLength: number }[];
}

/** The numbers of an adapter that was found good. */
export interface AdapterValues {
  readonly layout: AdapterLayout;
  /** The bytes of all tensors, one after the other. */
  readonly bytes: Uint8Array;
}

/** Puts adapters on the engine's model and takes them off, between passes and one at a time. */
export interface AdapterHost {
  /**
   * Puts a version on the model. Returns the bytes that its tensors take and its method, as in
   * `peft_type`. Throws ServingError `adapter_refused` for files that do not fit the model and for
   * methods that cannot differ from row to row; the model is then as before. With `values`, the
   * numbers of these files, it may take the place of a version of the same layout that has left;
   * `copied` is true then, and the memory of the files no longer needed.
   */
  load(
    version: string,
    files: AdapterFiles,
    values?: AdapterValues,
  ): Promise<{ readonly bytes: number; readonly method: string; readonly copied: boolean }>;
  /**
   * Takes a version off the model, frees its tensors and forgets the prefixes cached for it. A
   * version that gives way to another may leave its tensors to the next load, which takes or frees
   * them.
   */
  unload(version: string, options?: { readonly givesWay: boolean }): Promise<void>;
}

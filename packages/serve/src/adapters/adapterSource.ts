import type { AdapterSource as AdapterFiles } from "@lowrank/peft";
import type { ServedAdapter, ServingStats } from "../api.ts";

/** Holds one version of an adapter in memory for one request. */
export interface AdapterLease {
  /** The hash of the adapter's files, and its name on the engine's model. */
  readonly version: string;
  /** Gives the version back, once: calling it again does nothing. */
  release(): void;
}

/** Adapters by name: registered, loaded when they are used, and dropped when memory runs short. */
export interface AdapterSource {
  /**
   * Resolves a name to its present version and returns once that sits on the model. Loads of the
   * same version share their work. Throws ServingError: `not_found`, `forbidden` for another
   * tenant's adapter, `adapter_refused`, `unavailable`.
   */
  acquire(name: string, options: { readonly tenant: string }): Promise<AdapterLease>;
  list(): Promise<readonly ServedAdapter[]>;
  /**
   * Registers a folder or key of the store under a name, once its files have been read and found
   * good.
   */
  load(name: string, path: string, options?: { replace?: boolean; pin?: boolean }): Promise<ServedAdapter>;
  /** Forgets a name. Its version leaves memory when the last lease is given back. */
  unload(name: string): Promise<void>;
  stats(): ServingStats["adapters"];
  /**
   * Ends background work. The engine calls it when no lease is out, and frees the model itself of
   * adapters.
   */
  close(): Promise<void>;
}

/** Puts adapters on the engine's model and takes them off, between passes and one at a time. */
export interface AdapterHost {
  /**
   * Puts a version on the model. Returns the bytes that its tensors take and its method, as in
   * `peft_type`. Throws ServingError `adapter_refused` for files that do not fit the model and for
   * methods that cannot differ from row to row; the model is then as before.
   */
  load(version: string, files: AdapterFiles): Promise<{ readonly bytes: number; readonly method: string }>;
  /** Takes a version off the model, frees its tensors and forgets the prefixes cached for it. */
  unload(version: string): Promise<void>;
}

import type { AdapterHost, AdapterLease, AdapterProvider } from "../api/adapterProvider.ts";
import { type ServedAdapter, ServingError, type ServingStats } from "../api/api.ts";
import type { FilesInMemory } from "./tinyAdapters.ts";

interface Version {
  leases: number;
  loaded: Promise<unknown>;
}

/** Adapters in memory, loaded on use and unloaded after the last request. */
export class HeldAdapters implements AdapterProvider {
  /** Version and files by name; may be changed while requests run. */
  readonly registered: Map<string, { version: string; files: FilesInMemory }> = new Map();
  loads = 0;
  readonly #versions = new Map<string, Version>();
  readonly #host: AdapterHost;

  constructor(host: AdapterHost, registered: Iterable<readonly [string, FilesInMemory]> = []) {
    this.#host = host;
    for (const [name, files] of registered) this.registered.set(name, { version: `${name}-1`, files });
  }

  async acquire(name: string): Promise<AdapterLease> {
    const found = this.registered.get(name);
    if (!found) throw new ServingError("not_found", `The model \`${name}\` does not exist.`, "model");
    const { version, files } = found;
    let held = this.#versions.get(version);
    if (!held) {
      this.loads += 1;
      held = { leases: 0, loaded: this.#host.load(version, files) };
      this.#versions.set(version, held);
    }
    const { loaded } = held;
    held.leases += 1;
    try {
      await loaded;
    } catch (error) {
      this.#versions.delete(version);
      throw error;
    }
    let released = false;
    const release = () => {
      if (released) return;
      released = true;
      held.leases -= 1;
      if (held.leases > 0) return;
      this.#versions.delete(version);
      void this.#host.unload(version);
    };
    return { version, release };
  }

  async list(): Promise<ServedAdapter[]> {
    return [];
  }

  load(): Promise<ServedAdapter> {
    return Promise.reject(new Error("not in this test"));
  }

  async unload(name: string): Promise<void> {
    this.registered.delete(name);
  }

  stats(): ServingStats["adapters"] {
    const { size } = this.registered;
    return {
      registered: size,
      resident: this.#versions.size,
      bytes: 0,
      hits: 0,
      loads: this.loads,
      evictions: 0,
      failures: 0,
    };
  }

  async close(): Promise<void> {}
}

/** Who makes a request, as plain data that can be sent to a Worker. */
export interface Caller {
  /** The tenant: the id of the key. Empty on a server without keys. */
  readonly tenant: string;
  /** May use and manage what every tenant owns, and read the metrics. */
  readonly operator: boolean;
  /** True if the caller may load and unload the adapters in its scope. */
  readonly admin: boolean;
  /** May use the base model. */
  readonly base: boolean;
  /** Names of adapters that the caller may use; `*` stands for any characters. */
  readonly adapters: readonly string[];
}

/** The caller on a server without keys. */
export const anyone: Caller = { tenant: "", operator: true, admin: true, base: true, adapters: ["*"] };

/** A thing that a caller may be allowed to use. Fields that are absent restrict nobody. */
export interface Guarded {
  /** Its name, or its path in the store. */
  readonly name?: string;
  /** The tenant that it belongs to. */
  readonly owner?: string;
  /** The tenants that may use it. Default: all. */
  readonly tenants?: readonly string[];
}

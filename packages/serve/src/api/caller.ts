/** Caller of a request, as plain data that can be sent to a Worker. */
export interface Caller {
  /** Tenant: the id of the API key. Empty on a server without keys. */
  readonly tenant: string;
  /** True if the caller may use and manage the resources of every tenant, and read the metrics. */
  readonly operator: boolean;
  /** True if the caller may load and unload the adapters in its scope. */
  readonly admin: boolean;
  /** True if the caller may use the base model. */
  readonly base: boolean;
  /** Names of adapters that the caller may use; `*` matches any characters. */
  readonly adapters: readonly string[];
}

/** Caller on a server without keys, who may do everything. */
export const anyone: Caller = { tenant: "", operator: true, admin: true, base: true, adapters: ["*"] };

/** Facts about a resource that decide who may use it. An absent field does not restrict its use. */
export interface Guarded {
  /** Name of an adapter or job, or a folder's path in the store. */
  readonly name?: string;
  /** Tenant that owns the resource. */
  readonly owner?: string;
  /** Tenants that may use the resource. Default: all. */
  readonly tenants?: readonly string[];
}

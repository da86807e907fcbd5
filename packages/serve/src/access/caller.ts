import { isModelOf, privatePrefix } from "./names.ts";

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

/**
 * Returns true if the caller may use a thing. Routes, lists and errors all depend on this
 * function. An operator may use everything. Another caller needs to be among the tenants, and must
 * own it or have its name in scope.
 */
export function mayUse(caller: Caller, { name, owner, tenants }: Guarded): boolean {
  if (caller.operator) return true;
  if (tenants && !tenants.includes(caller.tenant)) return false;
  return name === undefined || owner === caller.tenant || isInScope(caller, name);
}

/** Returns true for a name that matches the caller's globs, or that one of its jobs has made. */
function isInScope({ tenant, adapters }: Caller, name: string): boolean {
  if (name.startsWith(privatePrefix)) return false;
  return isModelOf(tenant, name) || adapters.some((glob) => patternOf(glob).test(name));
}

const patterns = new Map<string, RegExp>();

/** Returns the expression of the names that a glob matches. */
function patternOf(glob: string): RegExp {
  let pattern = patterns.get(glob);
  if (!pattern) {
    const parts = glob.split(/\*+/).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&"));
    pattern = new RegExp(`^${parts.join(".*")}$`, "s");
    // Keys may change while the server runs.
    if (patterns.size >= 10_000) patterns.clear();
    patterns.set(glob, pattern);
  }
  return pattern;
}

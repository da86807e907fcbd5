import type { Caller, Guarded } from "../api/caller.ts";
import { isModelOf, privatePrefix } from "./names.ts";

/**
 * Returns true if the caller may use an adapter, folder or job. Routes, lists and errors all depend on this function.
 * An operator may use everything. Another caller must be among the resource's tenants, and must own it or have its name
 * in the scope of the key.
 */
export function mayUse(caller: Caller, { name, owner, tenants }: Guarded): boolean {
  if (caller.operator) return true;
  if (tenants && !tenants.includes(caller.tenant)) return false;
  return name === undefined || owner === caller.tenant || isInScope(caller, name);
}

/** Returns true for a name that matches the caller's globs, or that one of the tenant's jobs has made. */
function isInScope({ tenant, adapters }: Caller, name: string): boolean {
  if (name.startsWith(privatePrefix)) return false;
  return isModelOf(tenant, name) || adapters.some((glob) => patternOf(glob).test(name));
}

const patterns = new Map<string, RegExp>();

/** Returns the regular expression that matches the names of a glob. */
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

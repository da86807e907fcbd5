import type { Caller, Guarded } from "../api/caller.ts";
import { isModelOf, privatePrefix } from "./names.ts";

/**
 * Returns true if the caller may use an adapter, folder or job. Routes, lists and errors all depend on this function.
 * An operator may use everything. Any other caller must be one of the resource's tenants, and must either own the
 * resource or have a key whose scope contains the resource's name.
 */
export function mayUse(caller: Caller, { name, owner, tenants }: Guarded): boolean {
  if (caller.operator) return true;
  if (tenants && !tenants.includes(caller.tenant)) return false;
  return name === undefined || owner === caller.tenant || isInScope(caller, name);
}

/**
 * Returns true if the name matches one of the caller's glob patterns, or is the name of a model that one of the
 * tenant's jobs has trained.
 */
function isInScope({ tenant, adapters }: Caller, name: string): boolean {
  if (name.startsWith(privatePrefix)) return false;
  return isModelOf(tenant, name) || adapters.some((glob) => patternOf(glob).test(name));
}

const patterns = new Map<string, RegExp>();

/** Returns the regular expression for a glob pattern. */
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

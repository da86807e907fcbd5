import type { ServedAdapter, ServingStats } from "../api/api.ts";
import type { Caller, Guarded } from "../api/caller.ts";
import { isInternal } from "../storage/adapterPlace.ts";
import { nameKey } from "../storage/jobKeys.ts";

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

/** Prefix of the names of models that fine-tuning jobs have trained. */
export const modelPrefix = "ft:";

/**
 * Prefix of the names that private adapters have in the manifest. Only one tenant can request such an adapter by name.
 */
export const privatePrefix = "tenant:";

/**
 * Returns true for the name of a model that one of the tenant's jobs has trained, or of a checkpoint of such a model. A
 * model is named `ft:BASE:TENANT:SUFFIX:ID`. Only the base may contain a colon.
 */
export function isModelOf(tenant: string, name: string): boolean {
  const [, owner] = /^ft:.*:([^:]*):[^:]*:[^:]+$/s.exec(name.replace(/:ckpt-step-\d+$/, "")) ?? [];
  return owner !== undefined && owner === nameKey(tenant);
}

/** Returns the manifest name of an adapter that only its tenant sees. Several tenants can thus use the same name. */
export function privateName(tenant: string, name: string): string {
  return `${privatePrefix}${nameKey(tenant)}:${name}`;
}

/**
 * Converts a name in the manifest to the name that a tenant uses: removes the prefix of the tenant's private names, if
 * the name has it.
 */
export function nameFor(tenant: string, name: string): string {
  const own = privateName(tenant, "");
  return name.startsWith(own) ? name.slice(own.length) : name;
}

/**
 * Returns true for a name that is reserved for jobs, tenants or internal folders. Requests that load an adapter must
 * not use such a name.
 */
export function isReserved(name: string): boolean {
  return name.startsWith(modelPrefix) || name.startsWith(privatePrefix) || isInternal(name);
}

/**
 * Returns the adapters that a caller may use, with the names by which the caller requests them. A tenant's own adapter
 * hides a shared one with the same name.
 */
export function visibleAdapters(adapters: readonly ServedAdapter[], caller: Caller): readonly ServedAdapter[] {
  const visible = new Map<string, ServedAdapter>();
  for (const adapter of adapters) {
    const name = caller.operator ? adapter.name : nameFor(caller.tenant, adapter.name);
    const isOwn = name !== adapter.name;
    if (!mayUse(caller, { ...adapter, name }) || (visible.has(name) && !isOwn)) continue;
    visible.set(name, { ...adapter, name });
  }
  return [...visible.values()];
}

/** Counts running requests by tenant. */
export class Load {
  readonly #byTenant = new Map<string, number>();

  /** Adds `by` to a tenant's count; negative to subtract. */
  change(tenant: string, by: number): void {
    const count = (this.#byTenant.get(tenant) ?? 0) + by;
    if (count > 0) this.#byTenant.set(tenant, count);
    else this.#byTenant.delete(tenant);
  }

  /** Returns the number of running requests of the caller's tenant; for an operator, of all tenants. */
  seenBy({ operator, tenant }: Caller): number {
    if (!operator) return this.#byTenant.get(tenant) ?? 0;
    return [...this.#byTenant.values()].reduce((sum, count) => sum + count, 0);
  }
}

/** The part of the engine's state that a caller may see. */
type VisibleStats = ServingStats | Pick<ServingStats, "waiting" | "running" | "paused" | "requests">;

/**
 * Returns the part of the engine's state that a caller may see: all of it for an operator, otherwise the caller's own
 * requests and their counts. Other values would reveal the load of other tenants.
 */
export function visibleStats(stats: ServingStats, { operator, tenant }: Caller): VisibleStats {
  if (operator) return stats;
  const requests = stats.requests.filter((request) => request.tenant === tenant);
  const count = (wanted: string) => requests.filter(({ state }) => state === wanted).length;
  const [waiting, paused] = [count("waiting"), count("paused")];
  return { waiting, running: requests.length - waiting - paused, paused, requests };
}

import { isInternal } from "../storage/adapterPlace.ts";
import { nameKey } from "../storage/jobKeys.ts";

/** The start of the names of models that jobs have made. */
export const modelPrefix = "ft:";

/** The start of the manifest's names of adapters that one tenant alone may name. */
export const privatePrefix = "tenant:";

/**
 * Returns true for a model that a job of the tenant has made, or a checkpoint of one. A model is
 * named `ft:BASE:TENANT:SUFFIX:ID`. Only the base may contain a colon.
 */
export function isModelOf(tenant: string, name: string): boolean {
  const [, owner] = /^ft:.*:([^:]*):[^:]*:[^:]+$/s.exec(name.replace(/:ckpt-step-\d+$/, "")) ?? [];
  return owner !== undefined && owner === nameKey(tenant);
}

/**
 * Returns the manifest's name of an adapter that its tenant alone sees. Several tenants may have
 * an adapter of the same name without noticing each other.
 */
export function privateName(tenant: string, name: string): string {
  return `${privatePrefix}${nameKey(tenant)}:${name}`;
}

/** Returns the name under which a tenant uses the adapter of a manifest's name. */
export function nameFor(tenant: string, name: string): string {
  const own = privateName(tenant, "");
  return name.startsWith(own) ? name.slice(own.length) : name;
}

/** Returns true for a name of jobs, tenants or internal folders, which no load may give. */
export function isReserved(name: string): boolean {
  return name.startsWith(modelPrefix) || name.startsWith(privatePrefix) || isInternal(name);
}

import { isInternal } from "../storage/adapterPlace.ts";
import { nameKey } from "../storage/jobKeys.ts";

/** Prefix of names of models that jobs have made. */
export const modelPrefix = "ft:";

/** Prefix of manifest names of adapters that only one tenant can name. */
export const privatePrefix = "tenant:";

/**
 * Returns true for a model that a job of the tenant has made, or a checkpoint of one. A model is named
 * `ft:BASE:TENANT:SUFFIX:ID`. Only the base may contain a colon.
 */
export function isModelOf(tenant: string, name: string): boolean {
  const [, owner] = /^ft:.*:([^:]*):[^:]*:[^:]+$/s.exec(name.replace(/:ckpt-step-\d+$/, "")) ?? [];
  return owner !== undefined && owner === nameKey(tenant);
}

/** Returns the manifest name of an adapter that only its tenant sees. Several tenants can thus use the same name. */
export function privateName(tenant: string, name: string): string {
  return `${privatePrefix}${nameKey(tenant)}:${name}`;
}

/** Returns the name by which a tenant uses the adapter that has this name in the manifest. */
export function nameFor(tenant: string, name: string): string {
  const own = privateName(tenant, "");
  return name.startsWith(own) ? name.slice(own.length) : name;
}

/** Returns true for a name of jobs, tenants or internal folders, which loads may not use. */
export function isReserved(name: string): boolean {
  return name.startsWith(modelPrefix) || name.startsWith(privatePrefix) || isInternal(name);
}

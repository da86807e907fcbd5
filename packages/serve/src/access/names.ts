import { isInternal } from "../storage/adapterPlace.ts";
import { nameKey } from "../storage/jobKeys.ts";

/** Prefix of the names of models that fine-tuning jobs have trained. */
export const modelPrefix = "ft:";

/** Prefix of the manifest names of private adapters, each of which only one tenant can use by name. */
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

/** Returns the name by which a tenant uses the adapter that has this name in the manifest. */
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

import { mayUse, privateName, privatePrefix } from "../access/mayUse.ts";
import { common, rightsTo, tenantsOf } from "../access/rights.ts";
import type { AdapterUser } from "../api/adapterProvider.ts";
import type { Caller } from "../api/caller.ts";
import { adapterNotFound, alreadyLoaded } from "../storage/storeErrors.ts";
import { entryOf, type Manifest, type ManifestEntry, withEntry } from "./manifest.ts";

/** Version of an adapter that was read and checked, and the name to give it. */
interface Loaded extends Pick<ManifestEntry, "path" | "version" | "method" | "pinned"> {
  readonly name: string;
  readonly replace: boolean;
  /** Caller of the load; undefined: an operator. */
  readonly by: Caller | undefined;
}

/**
 * Returns the manifest entry for a name in a user's request: the entry of the user's own adapter, or else of the shared
 * one. Returns undefined if the manifest has neither, and null for a folder that must not be served.
 */
export function resolveEntry(
  manifest: Manifest,
  name: string,
  { tenant }: AdapterUser,
): ManifestEntry | null | undefined {
  return entryOf(manifest, privateName(tenant, name)) ?? entryOf(manifest, name);
}

/**
 * Returns true if the user is an operator, if the list of tenants contains the user's tenant, or if the list is
 * undefined (all tenants).
 */
export function isAmong(tenants: readonly string[] | undefined, { tenant, operator }: AdapterUser): boolean {
  return operator || tenants === undefined || tenants.includes(tenant);
}

/**
 * Returns true if a user's request may contain this manifest name. Only operators may use names that begin with
 * `tenant:`.
 */
export function mayName(name: string, { operator }: AdapterUser): boolean {
  return operator === true || !name.startsWith(privatePrefix);
}

/** Throws `already_loaded` if the caller already sees an adapter under the name, unless `replace` is true. */
export function checkFree(manifest: Manifest, name: string, replace: boolean, by: Caller | undefined): void {
  if (!replace && visibleTo(by, manifest, name)) throw alreadyLoaded(name);
}

/** Returns the entry that a caller sees under a name; undefined if there is none. */
function visibleTo(by: Caller | undefined, manifest: Manifest, name: string): ManifestEntry | undefined {
  const mine = by && !by.operator ? entryOf(manifest, privateName(by.tenant, name)) : undefined;
  const shared = entryOf(manifest, name) ?? undefined;
  if (mine) return mine;
  return shared && (!by || mayUse(by, { ...shared, name, tenants: tenantsOf(manifest, shared) })) ? shared : undefined;
}

/**
 * Returns the manifest with the loaded version under its name. Throws `already_loaded` if the name already has another
 * entry, unless `loaded.replace` is true.
 */
export function withLoaded(manifest: Manifest, loaded: Loaded): Manifest {
  const { name, by, path, version, method, pinned } = loaded;
  const { owner, tenants } = rightsTo(manifest, loaded);
  const base: ManifestEntry = { path, version, method, ...(pinned && { pinned }) };
  if (!by || by.operator) {
    const before = entryOf(manifest, name);
    const allowed = common(before?.tenants, rightsTo(manifest, loaded).common);
    const limits = allowed && { tenants: allowed, ...(tenants === undefined && { alias: true }) };
    const entry = { ...base, ...(owner !== undefined && { owner }), ...limits };
    checkUnchanged(loaded, before ?? undefined, entry);
    return withRightsKept(manifest, name, entry, by);
  }
  const own = privateName(by.tenant, name);
  const before = visibleTo(by, manifest, name);
  const isFree = !entryOf(manifest, own) && (before !== undefined || !entryOf(manifest, name));
  // A name that others also see must be for a folder that all of them may use.
  const isForAll = tenants === undefined || before?.tenants?.every((tenant) => tenants.includes(tenant));
  const isShared = isFree && isForAll;
  const allowed = isShared ? before?.tenants : [by.tenant];
  const entry = { ...base, owner: owner ?? by.tenant, ...(allowed && { tenants: allowed }), alias: true };
  checkUnchanged(loaded, before, entry);
  return withRightsKept(manifest, isShared ? name : own, entry, by);
}

/**
 * Returns the manifest with a name removed. Throws `not_found` if the caller sees no adapter under the name. `isFolder`
 * is true if the name is the path of a folder that the caller may use; the folder is then no longer served.
 */
export function withoutName(manifest: Manifest, name: string, isFolder: boolean, by: Caller | undefined): Manifest {
  const own = by && !by.operator ? privateName(by.tenant, name) : name;
  if (own !== name && entryOf(manifest, own)) return withRightsKept(manifest, own, undefined, by);
  const entry = entryOf(manifest, name);
  const isThere = entry === undefined ? isFolder : visibleTo(by, manifest, name) !== undefined;
  if (!isThere) throw adapterNotFound(name);
  return withRightsKept(manifest, name, isFolder ? null : undefined, by);
}

/**
 * Returns the manifest with a name's entry replaced or removed. In two cases, the limits of the old entry are kept
 * under `unnamed`: if the change would open the old version to more tenants, or if a tenant's change would take the
 * version from other tenants that use it.
 */
function withRightsKept(
  manifest: Manifest,
  name: string,
  entry: ManifestEntry | null | undefined,
  by: Caller | undefined,
): Manifest {
  const before = entryOf(manifest, name);
  const next = withEntry(manifest, name, entry);
  if (!before || before.alias) return next;
  const [had, has] = [manifest, next].map((of) => rightsTo(of, before).tenants);
  if (had === undefined) return next;
  const opensNow = has === undefined || opens(next, before);
  // A tenant that removes a name does not take the version from other tenants, or from its other names.
  const lost = had.filter((tenant) => !has?.includes(tenant));
  const isInUse = lost.some((tenant) => tenant !== by?.tenant) || (lost.length > 0 && hasAlias(next, before));
  const takes = by && !by.operator && isInUse;
  if (!opensNow && !takes) return next;
  const { path, version, owner, tenants = [] } = before;
  const kept = { path, version, ...(owner !== undefined && { owner }), tenants };
  return { ...next, unnamed: [...(next.unnamed ?? []), kept] };
}

/** Returns true if a name given by a tenant (`alias`) refers to an old entry's folder or to a copy of its version. */
function hasAlias({ adapters }: Manifest, { path, version }: ManifestEntry): boolean {
  const entries = Object.values(adapters);
  return entries.some((entry) => entry?.alias && (entry.path === path || entry.version === version));
}

/** Returns true if the manifest lets all tenants use the folder of an old entry, or a copy of its version. */
function opens(manifest: Manifest, { path, version }: ManifestEntry): boolean {
  return [{ path }, { version }].some((stored) => rightsTo(manifest, stored).tenants === undefined);
}

/**
 * Throws if the name already has an entry (`before`) that differs from `entry`, unless `replace` is true. An equal
 * entry is accepted, since an earlier attempt may have written it although the response was lost.
 */
function checkUnchanged({ name, replace }: Loaded, before: ManifestEntry | undefined, entry: ManifestEntry): void {
  if (before && !replace && JSON.stringify(before) !== JSON.stringify(entry)) throw alreadyLoaded(name);
}

import { isInternal } from "../storage/adapterPlace.ts";

/** Entry of a manifest, reduced to the fields that decide who may use the adapter version in its folder. */
export interface Grant {
  readonly path: string;
  readonly version: string;
  readonly owner?: string;
  readonly tenants?: readonly string[];
  readonly alias?: boolean;
}

/** Manifest, reduced to the fields that decide who may use its adapters. */
interface Grants {
  readonly adapters: Readonly<Record<string, Grant | null>>;
  /**
   * Former entries of versions that no longer have a name. They are kept so that their limits on tenants still apply.
   */
  readonly unnamed?: readonly Grant[];
}

/** Adapter in a store, given by its folder, its version or both. */
interface Stored {
  readonly path?: string;
  readonly version?: string;
}

/** Owner and tenants of a stored version. */
export interface Rights {
  /** Tenant that owns the version. */
  readonly owner?: string;
  /** Tenants that are in at least one of the `tenants` lists of the version's manifest entries. Default: all. */
  readonly tenants?: readonly string[];
  /** Tenants that are in all of the `tenants` lists of the version's manifest entries. Default: all. */
  readonly common?: readonly string[];
}

/**
 * Returns the tenants that may use the version in a folder. The `tenants` lists of the manifest entries for this folder
 * determine them. If no entry for this folder has a list, the entries for copies of the version in other folders
 * determine them. A new name or a copy of the files therefore gives nobody access. A list limits the version even if
 * other entries have no list. Without any list, all tenants may use the version, or none if a name in the folder's path
 * begins with a dot (an internal folder). Names given by tenants (`alias`) have no effect.
 */
export function rightsTo(manifest: Grants, { path, version }: Stored): Rights {
  const { byPath, byVersion } = indexOf(manifest);
  // Two tenants may have trained the same version: each keeps the rights to its own folder.
  const limits = byPath.get(path ?? "") ?? byVersion.get(version ?? "") ?? [];
  if (limits.length === 0 && !isInternal(path ?? "")) return {};
  const lists = limits.map(({ tenants }) => tenants);
  const tenants = [...new Set(lists.flat())];
  const owners = new Set(limits.map(({ owner }) => owner));
  const [owner] = owners;
  return {
    ...(owners.size === 1 && owner !== undefined && { owner }),
    tenants,
    common: tenants.filter((tenant) => lists.every((list) => list.includes(tenant))),
  };
}

/** Manifest entry that limits its version to some tenants. */
type Limit = Grant & { readonly tenants: readonly string[] };

interface Index {
  readonly byPath: ReadonlyMap<string, readonly Limit[]>;
  readonly byVersion: ReadonlyMap<string, readonly Limit[]>;
}

const indices = new WeakMap<object, Index>();

/**
 * Returns the manifest entries that limit a version to some tenants, grouped by path and by version. Ignores aliases.
 * The result is cached, since manifests are immutable.
 */
function indexOf(manifest: Grants): Index {
  let index = indices.get(manifest);
  if (!index) {
    const named = Object.values(manifest.adapters).filter((grant) => grant !== null && !grant.alias);
    const limits = [...named, ...(manifest.unnamed ?? [])].filter(
      (grant): grant is Limit => grant?.tenants !== undefined,
    );
    index = {
      byPath: Map.groupBy(limits, ({ path }) => path),
      byVersion: Map.groupBy(limits, ({ version }) => version),
    };
    indices.set(manifest, index);
  }
  return index;
}

/**
 * Returns the tenants that may use an adapter under the name of this manifest entry; undefined: all. Tenants that may
 * not use the entry's folder are left out, even if the entry lists them.
 */
export function tenantsOf(manifest: Grants, grant: Grant): readonly string[] | undefined {
  return common(grant.tenants, rightsTo(manifest, grant).tenants);
}

/** Returns the tenants that are in both lists. A list that is undefined contains all tenants. */
export function common(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  return one && other ? one.filter((tenant) => other.includes(tenant)) : (one ?? other);
}

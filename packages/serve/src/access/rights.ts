import { isInternal } from "../storage/adapterPlace.ts";

/** Version of a folder in a manifest, with the parts that decide who may use it. */
export interface Grant {
  readonly path: string;
  readonly version: string;
  readonly owner?: string;
  readonly tenants?: readonly string[];
  readonly alias?: boolean;
}

/** Manifest, with the parts that decide who may use its adapters. */
interface Grants {
  readonly adapters: Readonly<Record<string, Grant | null>>;
  /** Rights to versions without a name. */
  readonly unnamed?: readonly Grant[];
}

/** Folder of a store, a version, or both. */
interface Stored {
  readonly path?: string;
  readonly version?: string;
}

/** Rights to a stored version. */
export interface Rights {
  /** Owner of the version. */
  readonly owner?: string;
  /** Tenants that may use it by some name. Default: all. */
  readonly tenants?: readonly string[];
  /** Tenants that may use it by every name that names tenants. Default: all. */
  readonly common?: readonly string[];
}

/**
 * Returns the rights to a folder's version. They come from all manifest names for the folder, or else for copies with
 * the same content. So neither a new name nor a copy of the files gives anybody access. A name with `tenants` limits
 * the version, even if its other names list none. Names given by tenants (`alias`) do not change the rights.
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

/** A grant that limits its version to some tenants. */
type Limit = Grant & { readonly tenants: readonly string[] };

interface Index {
  readonly byPath: ReadonlyMap<string, readonly Limit[]>;
  readonly byVersion: ReadonlyMap<string, readonly Limit[]>;
}

const indices = new WeakMap<object, Index>();

/** Returns a manifest's limits by path and by version, without aliases. Cached, since manifests are immutable. */
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

/** Returns the tenants that may use an adapter of the manifest; undefined: all. No name gives more than its folder. */
export function tenantsOf(manifest: Grants, grant: Grant): readonly string[] | undefined {
  return common(grant.tenants, rightsTo(manifest, grant).tenants);
}

/** Returns the tenants in both lists; undefined: all. */
export function common(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  return one && other ? one.filter((tenant) => other.includes(tenant)) : (one ?? other);
}

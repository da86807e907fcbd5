import { isInternal } from "../storage/adapterPlace.ts";

/** A folder's version in a manifest, in the parts that decide who may use it. */
export interface Grant {
  readonly path: string;
  readonly version: string;
  readonly owner?: string;
  readonly tenants?: readonly string[];
  readonly alias?: boolean;
}

/** A manifest, in the parts that decide who may use what. */
interface Grants {
  readonly adapters: Readonly<Record<string, Grant | null>>;
  /** The rights to versions that no name means any more. */
  readonly unnamed?: readonly Grant[];
}

/** A folder of a store, a version, or both. */
interface Stored {
  readonly path?: string;
  readonly version?: string;
}

/** The rights to a stored version. */
export interface Rights {
  /** The tenant that it belongs to. */
  readonly owner?: string;
  /** The tenants that may use it by some name. Default: all. */
  readonly tenants?: readonly string[];
  /** The tenants that may use it by every name that names tenants. Default: all. */
  readonly common?: readonly string[];
}

/**
 * Returns the rights to a folder's version. They come from all names of the manifest for the
 * folder, or else for copies with the same content: neither a new name nor a copy of the files
 * gives anybody access. If one of the names is open to all, so is the version. Names that tenants give
 * (`alias`) change nothing: they neither open a folder nor limit it.
 */
export function rightsTo(manifest: Grants, { path, version }: Stored): Rights {
  const { byPath, byVersion } = indexOf(manifest);
  // A name that gave the folder to all did so for the files that it had then.
  const holds = (grant: Grant) => !isOpenGrant(grant) || version === undefined || grant.version === version;
  const ofPath = (byPath.get(path ?? "") ?? []).filter(holds);
  // Two tenants may have trained the same version: each keeps the rights to its own folder.
  const grants = ofPath.length > 0 ? ofPath : (byVersion.get(version ?? "") ?? []);
  const restricted = grants.filter(({ tenants }) => tenants !== undefined);
  const isOpen = grants.some(isOpenGrant);
  if (isOpen || (restricted.length === 0 && !isInternal(path ?? ""))) return {};
  const lists = restricted.map(({ tenants }) => tenants!);
  const tenants = [...new Set(lists.flat())];
  const owners = new Set(restricted.map(({ owner }) => owner));
  const [owner] = owners;
  return {
    ...(owners.size === 1 && owner !== undefined && { owner }),
    tenants,
    common: tenants.filter((tenant) => lists.every((list) => list.includes(tenant))),
  };
}

/** Returns true for a name that gives a version to all. */
function isOpenGrant({ path, tenants }: Grant): boolean {
  return tenants === undefined && !isInternal(path);
}

interface Index {
  readonly byPath: ReadonlyMap<string, readonly Grant[]>;
  readonly byVersion: ReadonlyMap<string, readonly Grant[]>;
}

const indices = new WeakMap<object, Index>();

/** Returns the grants of a manifest by path and by version, without aliases. Manifests never change. */
function indexOf(manifest: Grants): Index {
  let index = indices.get(manifest);
  if (!index) {
    const named = Object.values(manifest.adapters).filter((grant) => grant !== null && !grant.alias) as Grant[];
    const grants = [...named, ...(manifest.unnamed ?? [])];
    index = {
      byPath: Map.groupBy(grants, ({ path }) => path),
      byVersion: Map.groupBy(grants, ({ version }) => version),
    };
    indices.set(manifest, index);
  }
  return index;
}

/** Returns the tenants that may use the adapter of a manifest's name; undefined: all. */
export function tenantsOf(manifest: Grants, grant: Grant): readonly string[] | undefined {
  const { tenants, path, alias } = grant;
  // Such a name gives nobody more than the folder does.
  const depends = alias || (tenants === undefined && isInternal(path));
  return depends ? common(tenants, rightsTo(manifest, grant).tenants) : tenants;
}

/** Returns the tenants in both lists; undefined: all. */
export function common(
  one: readonly string[] | undefined,
  other: readonly string[] | undefined,
): readonly string[] | undefined {
  return one && other ? one.filter((tenant) => other.includes(tenant)) : (one ?? other);
}

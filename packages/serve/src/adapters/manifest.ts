import type { Grant } from "../access/rights.ts";

/** Adapter in the manifest. */
export interface ManifestEntry {
  /** Folder of the adapter, relative to the root of the store. */
  readonly path: string;
  /** Hash of the folder's files. */
  readonly version: string;
  /** Method, as in `peft_type`. */
  readonly method: string;
  /** True if the adapter is loaded in advance and never evicted. Default false. */
  readonly pinned?: boolean;
  /** Tenant that owns the adapter. Default: none. */
  readonly owner?: string;
  /** Tenants that may use the adapter by this name. Default: all. */
  readonly tenants?: readonly string[];
  /**
   * True for a name that a tenant gave to an adapter. Such a name does not change who may use the adapter's folder.
   * Default false.
   */
  readonly alias?: boolean;
}

/** Adapters that every server on a store serves. */
export interface Manifest {
  /** True if folders that the manifest does not contain are served too, each under its path. Default false. */
  readonly discover?: boolean;
  /**
   * Adapters by name. A name can be the path of a folder; the value null then means that the folder is not served under
   * its path.
   */
  readonly adapters: Readonly<Record<string, ManifestEntry | null>>;
  /**
   * Former entries of versions that no longer have a name. They are kept so that the versions do not become open to all
   * tenants.
   */
  readonly unnamed?: readonly Grant[];
}

/** Parses a manifest. Throws an error with the entry and the field if it is invalid. */
export function parseManifest(text: string): Manifest {
  const json = asObject(JSON.parse(text), "the manifest");
  const adapters = asObject(json.adapters, "adapters");
  const entries = Object.entries(adapters).map(([name, value]) => [
    name,
    value === null ? null : readEntry(name, value),
  ]);
  checkKeys(json, ["discover", "adapters", "unnamed"], "the manifest");
  return {
    ...(json.discover !== undefined && { discover: asBoolean(json.discover, "discover") }),
    // A name such as __proto__ is an ordinary name here.
    adapters: Object.fromEntries(entries),
    ...(json.unnamed !== undefined && { unnamed: readUnnamed(json.unnamed) }),
  };
}

/** Returns a manifest's text in a readable form: one line per entry, sorted by name. */
export function manifestText({ discover, adapters, unnamed }: Manifest): string {
  const names = Object.keys(adapters).sort();
  const lines = names.map((name) => `    ${JSON.stringify(name)}: ${JSON.stringify(adapters[name])}`);
  const first = discover === undefined ? "" : `  "discover": ${discover},\n`;
  const rights = unnamed?.map((grant) => `    ${JSON.stringify(grant)}`).join(",\n");
  const last = rights ? `,\n  "unnamed": [\n${rights}\n  ]` : "";
  return `{\n${first}  "adapters": {\n${lines.join(",\n")}\n  }${last}\n}\n`;
}

/**
 * Returns the manifest's entry for a name. Null if the name is the path of a folder that is not served under its path;
 * undefined if the manifest lacks the name.
 */
export function entryOf({ adapters }: Manifest, name: string): ManifestEntry | null | undefined {
  return Object.hasOwn(adapters, name) ? adapters[name] : undefined;
}

/**
 * Returns a copy of the manifest with the entry of `name` added or replaced. If `entry` is undefined, the name is
 * removed.
 */
export function withEntry(manifest: Manifest, name: string, entry: ManifestEntry | null | undefined): Manifest {
  const others = Object.entries(manifest.adapters).filter(([other]) => other !== name);
  return { ...manifest, adapters: Object.fromEntries(entry === undefined ? others : [...others, [name, entry]]) };
}

function readEntry(name: string, value: unknown): ManifestEntry {
  const where = `adapters[${JSON.stringify(name)}]`;
  const entry = asObject(value, where);
  checkKeys(entry, ["path", "version", "method", "pinned", "owner", "tenants", "alias"], where);
  const { method, pinned, alias } = entry;
  const { path, version, ...rights } = readGrant(entry, where);
  return {
    ...{ path, version, method: asText(method, `${where}.method`) },
    ...(pinned !== undefined && { pinned: asBoolean(pinned, `${where}.pinned`) }),
    ...rights,
    ...(alias !== undefined && { alias: asBoolean(alias, `${where}.alias`) }),
  };
}

function readUnnamed(value: unknown): readonly Grant[] {
  if (!Array.isArray(value)) throw new Error(`unnamed is ${JSON.stringify(value)}; expected a list`);
  return value.map((item, i) => {
    const where = `unnamed[${i}]`;
    const grant = asObject(item, where);
    checkKeys(grant, ["path", "version", "owner", "tenants"], where);
    return readGrant(grant, where);
  });
}

function readGrant({ path, version, owner, tenants }: Record<string, unknown>, where: string): Grant {
  if (typeof version !== "string" || !/^[0-9a-f]{64}$/.test(version)) {
    throw new Error(`${where}.version is ${JSON.stringify(version)}; expected 64 hexadecimal digits`);
  }
  return {
    path: asText(path, `${where}.path`),
    version,
    ...(owner !== undefined && { owner: asText(owner, `${where}.owner`) }),
    ...(tenants !== undefined && { tenants: asTexts(tenants, `${where}.tenants`) }),
  };
}

function checkKeys(object: object, known: readonly string[], where: string): void {
  const other = Object.keys(object).find((key) => !known.includes(key));
  if (other !== undefined)
    throw new Error(`${where} has the unknown field ${other}; known fields are ${known.join(", ")}`);
}

function asObject(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new Error(`${where} is ${JSON.stringify(value)}; expected an object`);
}

function asText(value: unknown, where: string): string {
  if (typeof value === "string" && value !== "") return value;
  throw new Error(`${where} is ${JSON.stringify(value)}; expected a text`);
}

function asBoolean(value: unknown, where: string): boolean {
  if (typeof value === "boolean") return value;
  throw new Error(`${where} is ${JSON.stringify(value)}; expected true or false`);
}

function asTexts(value: unknown, where: string): readonly string[] {
  if (Array.isArray(value) && value.every((text) => typeof text === "string")) return value;
  throw new Error(`${where} is ${JSON.stringify(value)}; expected a list of texts`);
}

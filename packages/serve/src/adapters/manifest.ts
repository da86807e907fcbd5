/** An adapter of the manifest. */
export interface ManifestEntry {
  /** The folder, from the root of the store. */
  readonly path: string;
  /** The hash of the folder's files. */
  readonly version: string;
  /** The method, as in `peft_type`. */
  readonly method: string;
  /** It is loaded ahead of requests and never evicted. */
  readonly pinned?: boolean;
  /** The tenants that may use it. Default: all. */
  readonly tenants?: readonly string[];
}

/** The adapters that every server on a store serves. */
export interface Manifest {
  /**
   * Folders that are not named here are served too, each under its path. Default: only those named.
   */
  readonly discover?: boolean;
  /** By name; null for a folder that is not to be served under its path. */
  readonly adapters: Readonly<Record<string, ManifestEntry | null>>;
}

/** Reads a manifest. Throws, naming the entry and the field, for one that is broken. */
export function parseManifest(text: string): Manifest {
  const json = asObject(JSON.parse(text), "the manifest");
  const adapters = asObject(json.adapters, "adapters");
  const entries = Object.entries(adapters).map(([name, value]) => [
    name,
    value === null ? null : readEntry(name, value),
  ]);
  checkKeys(json, ["discover", "adapters"], "the manifest");
  return {
    ...(json.discover !== undefined && { discover: asBoolean(json.discover, "discover") }),
    // A name such as __proto__ is a name like any other.
    adapters: Object.fromEntries(entries),
  };
}

/** Returns a manifest's text, for people too: an entry a line, by name. */
export function manifestText({ discover, adapters }: Manifest): string {
  const names = Object.keys(adapters).sort();
  const lines = names.map((name) => `    ${JSON.stringify(name)}: ${JSON.stringify(adapters[name])}`);
  const first = discover === undefined ? "" : `  "discover": ${discover},\n`;
  return `{\n${first}  "adapters": {\n${lines.join(",\n")}\n  }\n}\n`;
}

/** Returns the entry of a name: undefined where the manifest does not name it. */
export function entryOf({ adapters }: Manifest, name: string): ManifestEntry | null | undefined {
  return Object.hasOwn(adapters, name) ? adapters[name] : undefined;
}

/** Returns a manifest with an entry in the place of another; undefined takes it out. */
export function withEntry(manifest: Manifest, name: string, entry: ManifestEntry | null | undefined): Manifest {
  const others = Object.entries(manifest.adapters).filter(([other]) => other !== name);
  return { ...manifest, adapters: Object.fromEntries(entry === undefined ? others : [...others, [name, entry]]) };
}

function readEntry(name: string, value: unknown): ManifestEntry {
  const where = `adapters[${JSON.stringify(name)}]`;
  const entry = asObject(value, where);
  checkKeys(entry, ["path", "version", "method", "pinned", "tenants"], where);
  const { path, version, method, pinned, tenants } = entry;
  if (typeof version !== "string" || !/^[0-9a-f]{64}$/.test(version)) {
    throw new Error(`${where}.version is ${JSON.stringify(version)}; expected 64 hexadecimal digits`);
  }
  return {
    path: asText(path, `${where}.path`),
    version,
    method: asText(method, `${where}.method`),
    ...(pinned !== undefined && { pinned: asBoolean(pinned, `${where}.pinned`) }),
    ...(tenants !== undefined && { tenants: asTexts(tenants, `${where}.tenants`) }),
  };
}

function checkKeys(object: object, known: readonly string[], where: string): void {
  const other = Object.keys(object).find((key) => !known.includes(key));
  if (other !== undefined) throw new Error(`${where} has a field ${other}; there are ${known.join(", ")}`);
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

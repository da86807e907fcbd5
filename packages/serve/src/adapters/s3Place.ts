import { checkOptions } from "@lowrank/core";
import { type AdapterFile, type AdapterPlace, configName, manifestName, unavailable } from "./adapterPlace.ts";
import { confinedPath } from "./confinedPath.ts";
import { S3Client, type S3Credentials } from "./s3Client.ts";
import { readListing, type S3Object, s3ErrorCode } from "./s3Xml.ts";
import { type StoreClock, systemClock } from "./storeClock.ts";

/** Options of `s3Place`. */
export interface S3PlaceOptions {
  readonly bucket: string;
  /** The start of all keys: "adapters/prod". Default: the whole bucket. */
  readonly prefix?: string;
  readonly region?: string;
  /** The address of a store other than Amazon's: "http://127.0.0.1:9000". */
  readonly endpoint?: string;
  /**
   * The bucket stands in the path of addresses, and not in their host. Default: true with an
   * endpoint.
   */
  readonly pathStyle?: boolean;
  /** The keys, or a function that gives the present ones. Default: requests are not signed. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>);
  /** Used instead of the global fetch. */
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds without a byte after which a request is tried again. Default 10000. */
  readonly timeoutMs?: number;
  readonly clock?: StoreClock;
}

/**
 * A bucket, or a prefix in it, of Amazon S3 or a store with its interface. Works in pages too,
 * where the bucket's CORS rules allow it. Changes of the manifest need conditional writes
 * (If-Match, If-None-Match): a store that does not know them is read, and refused as `unavailable`
 * when a load or unload is to be written.
 */
export function s3Place(options: S3PlaceOptions): AdapterPlace {
  checkOptions("s3Place", options, {
    ...({ bucket: true, prefix: true, region: true, endpoint: true, pathStyle: true, credentials: true } as const),
    ...({ fetch: true, timeoutMs: true, clock: true } as const),
  });
  const { bucket, region = "us-east-1", endpoint, pathStyle = endpoint !== undefined, credentials } = options;
  const { fetch = globalThis.fetch, timeoutMs = 10_000, clock = systemClock } = options;
  const prefix = (options.prefix ?? "")
    .replace(/^\/+|\/+$/g, "")
    .replace(/$/, "/")
    .replace(/^\/$/, "");
  const address = new URL(endpoint ?? `https://s3.${region}.amazonaws.com`);
  if (pathStyle) address.pathname = `${address.pathname.replace(/\/$/, "")}/${bucket}`;
  else address.host = `${bucket}.${address.host}`;
  const label = `s3://${bucket}/${prefix}`;
  const client = new S3Client({
    label,
    bucket: address.href.replace(/\/$/, ""),
    region,
    credentials,
    fetch,
    timeoutMs,
    clock,
  });
  /** True once the store has refused writes whose condition does not hold. */
  let conditional = false;

  const pages = async function* (query: Readonly<Record<string, string>>): AsyncGenerator<readonly S3Object[]> {
    for (let next: string | null = ""; next !== null; ) {
      const token: Record<string, string> = next === "" ? {} : { "continuation-token": next };
      const { body } = await client.send({ method: "GET", key: "", query: { ...list, ...query, ...token } });
      let page: ReturnType<typeof readListing>;
      try {
        page = readListing(new TextDecoder().decode(body));
      } catch (error) {
        throw unavailable(`${label} is not an object store: ${(error as Error).message}`, error);
      }
      yield page.objects;
      next = page.next;
    }
  };
  /** Writes an object under a condition; null if this does not hold. */
  const put = async (key: string, body: string, condition: Record<string, string>): Promise<string | null> => {
    const headers = { ...condition, "Content-Type": "application/json" };
    const answer = await client.send({ method: "PUT", key, headers, body, expected: [404, 409, 412] });
    if (answer.status !== 200) {
      checkBucket(answer, label);
      return null;
    }
    return tagOf(answer.headers, label);
  };
  /** Throws for a store that writes whatever the condition. Tries it on a key of its own. */
  const checkConditional = async (): Promise<void> => {
    if (conditional) return;
    const key = `${prefix}${manifestName}.probe`;
    const text = '"Servers write this to see that the store knows conditional writes."\n';
    await put(key, text, absent);
    const written = (await put(key, text, absent)) ?? (await put(key, text, { "If-Match": '"none"' }));
    if (written !== null) {
      const fix = "use a store with conditional writes, or change manifest.json by other means";
      throw unavailable(
        `${label} ignores If-Match and If-None-Match, so that servers would overwrite each other's changes; ${fix}`,
      );
    }
    conditional = true;
  };

  const files = async (path: string): Promise<readonly AdapterFile[] | null> => {
    const folder = `${prefix}${path}/`;
    const found: AdapterFile[] = [];
    for await (const page of pages({ prefix: folder, delimiter: "/" })) {
      for (const { key, size, etag } of page) {
        if (key !== folder) found.push({ name: key.slice(folder.length), size, tag: etag });
      }
    }
    return found.length > 0 ? found : null;
  };

  return {
    label,
    pathOf: (path) => confinedPath(path.startsWith(label) ? path.slice(label.length) : path, label),
    list: async () => {
      const found: string[] = [];
      for await (const page of pages(prefix === "" ? {} : { prefix })) {
        for (const { key } of page)
          if (key.endsWith(`/${configName}`)) found.push(key.slice(prefix.length, -configName.length - 1));
      }
      const usable = found.filter((path) => isPath(path, label));
      // As in a folder on disk, what lies in an adapter's folder is not looked into.
      const all = new Set(usable);
      return usable.filter((path) => !outerPaths(path).some((outer) => all.has(outer))).sort();
    },
    files,
    read: async (path, wanted) => {
      const contents: Uint8Array<ArrayBuffer>[] = [];
      for (const { name, size, tag } of wanted) {
        const headers = { "If-Match": tag };
        const key = `${prefix}${path}/${name}`;
        const { status, headers: got, body } = await client.send({ method: "GET", key, headers, expected: [404, 412] });
        // Some stores give the object whatever the condition.
        if (status !== 200 || body.length !== size || (got.get("ETag") ?? tag) !== tag) return null;
        contents.push(body);
      }
      // Each may be whole, and yet they may be of different times.
      const now = new Map((await files(path))?.map(({ name, tag }) => [name, tag]));
      return wanted.every(({ name, tag }) => now.get(name) === tag) ? contents : null;
    },
    readManifest: async (known) => {
      const headers: Record<string, string> = known === undefined ? {} : { "If-None-Match": known };
      const answer = await client.send({
        ...{ method: "GET" as const, key: prefix + manifestName, headers, expected: [304, 404] },
      });
      if (answer.status === 304) return "same";
      if (answer.status === 404) {
        checkBucket(answer, label);
        return null;
      }
      return { text: new TextDecoder().decode(answer.body), tag: tagOf(answer.headers, label) };
    },
    writeManifest: async (text, replaces) => {
      await checkConditional();
      return put(prefix + manifestName, text, replaces === null ? absent : { "If-Match": replaces });
    },
  };
}

/** The parameters of every list. XML cannot hold all characters that keys may have. */
const list = { "list-type": "2", "encoding-type": "url" };

/** The condition that there is no such object yet. */
const absent = { "If-None-Match": "*" };

function tagOf(headers: Headers, label: string): string {
  const tag = headers.get("ETag");
  if (tag === null) throw unavailable(`${label} tells no ETag; let its CORS rules expose this header`);
  return tag;
}

function checkBucket({ body }: { body: Uint8Array }, label: string): void {
  if (s3ErrorCode(new TextDecoder().decode(body)) === "NoSuchBucket")
    throw unavailable(`${label}: there is no such bucket`);
}

function isPath(path: string, label: string): boolean {
  try {
    return confinedPath(path, label) === path;
  } catch {
    return false;
  }
}

/** Returns the paths of the folders that a folder lies in. */
function outerPaths(path: string): string[] {
  const names = path.split("/");
  return names.slice(1).map((_, i) => names.slice(0, i + 1).join("/"));
}

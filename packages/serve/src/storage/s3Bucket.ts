import { checkOptions } from "@lowrank/core/internal";
import { S3Client, type S3Credentials } from "./s3Client.ts";
import { readListing, type S3Object, s3ErrorCode } from "./s3Xml.ts";
import { type StoreClock, systemClock } from "./storeClock.ts";
import { storeFailure } from "./storeFailure.ts";

/** Options for `s3Place`. */
export interface S3PlaceOptions {
  readonly bucket: string;
  /** Prefix of all keys: "adapters/prod". Default: the whole bucket. */
  readonly prefix?: string;
  readonly region?: string;
  /** Address of a store other than Amazon's: "http://127.0.0.1:9000". */
  readonly endpoint?: string;
  /**
   * True for addresses with the bucket's name in the path; false for addresses with the name in the host. Default: true
   * if `endpoint` is set.
   */
  readonly pathStyle?: boolean;
  /** Credentials, or a function that returns the current ones. Default: requests are not signed. */
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>);
  /** Function to use instead of the global `fetch`. */
  readonly fetch?: typeof globalThis.fetch;
  /** Number of milliseconds after which a request is retried if the store sends no bytes. Default 10000. */
  readonly timeoutMs?: number;
  readonly clock?: StoreClock;
}

/** Bucket with its client, and the prefix of all keys in it. */
export interface S3Bucket {
  readonly client: S3Client;
  /** Prefix of all keys. It ends in "/", or is empty. */
  readonly prefix: string;
  readonly label: string;
  /** Yields the objects of a bucket, one page of the list at a time. Their keys include the prefix. */
  pages(query: Readonly<Record<string, string>>): AsyncGenerator<readonly S3Object[]>;
  /**
   * Writes an object if `condition` holds: HTTP headers such as `If-None-Match`. Returns the object's tag, or null if
   * the condition does not hold.
   */
  put(key: string, body: string, condition: Readonly<Record<string, string>>): Promise<string | null>;
  /**
   * Tests with a write to `key` whether the store supports conditional writes. Throws if the store ignores the
   * condition.
   */
  checkConditional(key: string): Promise<void>;
}

/** Opens a bucket. */
export function openBucket(options: S3PlaceOptions): S3Bucket {
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
  /** True once the store has refused a write whose condition was false, which proves that it supports conditions. */
  let conditional = false;

  const pages = async function* (query: Readonly<Record<string, string>>): AsyncGenerator<readonly S3Object[]> {
    for (let next: string | null = ""; next !== null; ) {
      const token: Record<string, string> = next === "" ? {} : { "continuation-token": next };
      const { body } = await client.send({ method: "GET", key: "", query: { ...list, ...query, ...token } });
      let page: ReturnType<typeof readListing>;
      try {
        page = readListing(new TextDecoder().decode(body));
      } catch (error) {
        const reason = (error as Error).message;
        throw storeFailure("gives no list of its objects", `${label} is not an object store: ${reason}`, error);
      }
      yield page.objects;
      next = page.next;
    }
  };
  const put = async (key: string, body: string, condition: Record<string, string>): Promise<string | null> => {
    const headers = { ...condition, "Content-Type": "application/json" };
    const answer = await client.send({ method: "PUT", key, headers, body, expected: [404, 409, 412] });
    if (answer.status !== 200) {
      checkBucket(answer, label);
      return null;
    }
    return tagOf(answer.headers, label);
  };
  const checkConditional = async (key: string): Promise<void> => {
    if (conditional) return;
    const text = '"Servers write this to check that the store supports conditional writes."\n';
    await put(key, text, ifNoneMatch);
    const written = (await put(key, text, ifNoneMatch)) ?? (await put(key, text, { "If-Match": '"none"' }));
    if (written !== null) {
      const fix = "use a store with conditional writes";
      throw storeFailure(
        "ignores If-Match and If-None-Match, so that nothing can be written",
        `${label} ignores If-Match and If-None-Match, so that servers would overwrite each other's changes; ${fix}`,
      );
    }
    conditional = true;
  };
  return { client, prefix, label, pages, put, checkConditional };
}

/** Parameters of every list request. XML cannot hold all characters of keys, so keys are URL-encoded. */
const list = { "list-type": "2", "encoding-type": "url" };

/** Headers of a write that succeeds only if the object does not exist yet. */
export const ifNoneMatch = { "If-None-Match": "*" };

/** Returns the ETag of a response. Throws if the store sends none. */
export function tagOf(headers: Headers, label: string): string {
  const tag = headers.get("ETag");
  if (tag === null) {
    const detail = `${label} sends no ETag; let its CORS rules expose this header`;
    throw storeFailure("sends no ETag", detail);
  }
  return tag;
}

/** Throws if an answer reports that the bucket does not exist. */
export function checkBucket({ body }: { body: Uint8Array }, label: string): void {
  if (s3ErrorCode(new TextDecoder().decode(body)) === "NoSuchBucket")
    throw storeFailure("is not there", `${label}: there is no such bucket`);
}

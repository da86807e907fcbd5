import { AwsV4Signer } from "aws4fetch";
import { s3ErrorText } from "./s3Xml.ts";
import { pause, type StoreClock } from "./storeClock.ts";
import { fullStore, storeFailure } from "./storeFailure.ts";

/** Credentials of an object store. */
export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** Token of temporary credentials. */
  readonly sessionToken?: string;
}

/** Options for `S3Client`. */
export interface S3ClientOptions {
  /** Name of the store in messages. */
  readonly label: string;
  /** Address of the bucket, without a "/" at its end. */
  readonly bucket: string;
  readonly region: string;
  readonly credentials?: S3Credentials | (() => Promise<S3Credentials>);
  readonly fetch: typeof globalThis.fetch;
  readonly timeoutMs: number;
  readonly clock: StoreClock;
}

/** Request to a bucket. */
export interface S3Request {
  readonly method: "GET" | "PUT" | "POST" | "DELETE";
  /** Key of the object; empty for the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
  /** Accepted statuses in addition to 200. All others are failures. */
  readonly expected?: readonly number[];
}

/** Answer of the store with an accepted status. */
export interface S3Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** Maximum number of attempts at a request. */
const attempts = 4;
/**
 * Base of the exponential backoff, in milliseconds: the delay after attempt n is a random fraction of this value times
 * 2^n.
 */
const firstPauseMs = 100;

/** Number of milliseconds for which new requests fail immediately, after the last attempt at a request has failed. */
const restMs = 1000;

/** Failure of an attempt after which another attempt may succeed. */
class Passing extends Error {}

/**
 * Client of one bucket. Temporary failures (a broken connection, a stalled answer, 429, 5xx) are retried after growing,
 * random pauses. After the last attempt it throws ServingError `unavailable`.
 */
export class S3Client {
  readonly #options: S3ClientOptions;
  /** Keys for signing requests (AWS Signature Version 4), by day. Each key is valid for one day. */
  readonly #signingKeys = new Map<string, ArrayBuffer>();
  #rest: { readonly until: number; readonly error: Error } | null = null;

  constructor(options: S3ClientOptions) {
    this.#options = options;
  }

  async send(request: S3Request): Promise<S3Answer> {
    const { clock, label } = this.#options;
    // Otherwise each request for an adapter that is not loaded would wait for an unreachable store.
    if (this.#rest && clock.now() < this.#rest.until) throw this.#rest.error;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(request);
      } catch (error) {
        if (!(error instanceof Passing)) throw error;
        if (attempt === attempts) {
          const failure = storeFailure("does not answer", `${label} does not answer (${error.message})`, error);
          this.#rest = { until: clock.now() + restMs, error: failure };
          throw failure;
        }
      }
      await pause(clock, Math.random() * firstPauseMs * 2 ** attempt);
    }
  }

  async #attempt(request: S3Request): Promise<S3Answer> {
    const { clock, timeoutMs, label } = this.#options;
    const abort = new AbortController();
    let late = false;
    const watch = () =>
      clock.after(timeoutMs, () => {
        late = true;
        abort.abort();
      });
    let stopWatch = watch();
    try {
      const response = await this.#fetch(request, abort.signal);
      const pieces: Uint8Array<ArrayBuffer>[] = [];
      const reader = response.body?.getReader();
      for (let piece = await reader?.read(); piece && !piece.done; piece = await reader?.read()) {
        // A large file may take long; only a pause counts as a timeout.
        stopWatch();
        stopWatch = watch();
        pieces.push(piece.value as Uint8Array<ArrayBuffer>);
      }
      const body = joined(pieces);
      const { status, headers } = response;
      if (status === 200 || request.expected?.includes(status)) return { status, headers, body };
      const text = s3ErrorText(new TextDecoder().decode(body));
      const message = `${request.method} ${request.key || "the list"}: ${status}${text && `, ${text}`}`;
      if (status === 507 || /StorageFull|QuotaExceeded|InsufficientCapacity/.test(text))
        throw fullStore(label, message);
      if (status === 429 || status >= 500) throw new Passing(message);
      throw storeFailure(
        "refuses a request of this server",
        `${label} refuses ${message}; check its address, region and keys`,
      );
    } catch (error) {
      if (late) throw new Passing(`no data received for ${timeoutMs} ms`);
      if (error instanceof TypeError) throw new Passing(reasonOf(error));
      throw error;
    } finally {
      stopWatch();
    }
  }

  async #fetch({ method, key, query, headers, body }: S3Request, signal: AbortSignal): Promise<Response> {
    const { bucket, region, credentials: given, fetch } = this.#options;
    const path = key === "" ? "" : `/${key.split("/").map(encodeURIComponent).join("/")}`;
    // Not with URLSearchParams, which encodes a space as "+"; signatures require "%20".
    const pairs = Object.entries(query ?? {}).map((pair) => pair.map(encodeURIComponent).join("="));
    const url = new URL(`${bucket}${path}${pairs.length > 0 ? `?${pairs.join("&")}` : ""}`);
    const plain = { method, headers: { ...headers }, body, cache: "no-store" as const, signal };
    if (!given) return fetch(url, plain);
    const credentials = typeof given === "function" ? await given().catch((error) => this.#keyless(error)) : given;
    const signer = new AwsV4Signer({
      ...{ ...credentials, region, service: "s3", cache: this.#signingKeys },
      ...{ method, url: url.href, headers, body },
    });
    const signed = await signer.sign();
    return fetch(signed.url, { ...plain, headers: signed.headers });
  }

  #keyless(error: Error): never {
    const { label } = this.#options;
    throw storeFailure("cannot be used", `${label}: the function for its keys failed: ${error.message}`, error);
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  return all;
}

/**
 * Returns the reason why a fetch failed. Uses the error's cause if there is one, since it is more specific than the
 * error's message.
 */
function reasonOf({ cause, message }: Error): string {
  const { code, message: inner } = (cause ?? {}) as { code?: string; message?: string };
  return code ?? (inner || message);
}

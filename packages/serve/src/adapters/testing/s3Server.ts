import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import S3rver, { type Context, type Middleware } from "@20minutes/s3rver";
import type { S3PlaceOptions } from "../../storage/s3Bucket.ts";

/** Options for `S3Server`. */
interface S3ServerOptions {
  /** Writes support If-Match and If-None-Match, which s3rver lacks. Default true. */
  readonly conditional?: boolean;
  /** Lists have several pages. Default false. */
  readonly paged?: boolean;
}

/** Real S3 server on a local port, which can stop, restart and return bad answers. */
export class S3Server {
  readonly #folder: string;
  readonly #options: S3ServerOptions;
  #running: S3rver | null = null;
  #port = 0;
  /** Called before each request. Returns true if it has answered the request itself. */
  intercept: (context: Context) => boolean | Promise<boolean> = () => false;
  readonly requests: string[] = [];

  private constructor(folder: string, options: S3ServerOptions) {
    this.#folder = folder;
    this.#options = options;
  }

  static async start(options: S3ServerOptions = {}): Promise<S3Server> {
    const server = new S3Server(await mkdtemp(join(tmpdir(), "lowrank-s3-")), options);
    await server.listen();
    return server;
  }

  /** Options of a place for its bucket. */
  get place(): S3PlaceOptions {
    return {
      ...{ bucket: "adapters", endpoint: `http://127.0.0.1:${this.#port}` },
      credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
    };
  }

  async listen(): Promise<void> {
    const server = new S3rver({
      ...{ address: "127.0.0.1", port: this.#port, silent: true, directory: this.#folder, vhostBuckets: false },
      configureBuckets: [{ name: "adapters" }],
    });
    const { conditional = true, paged = false } = this.#options;
    if (conditional) server.middleware.unshift(conditions(server));
    if (paged) server.middleware.unshift(pages(server));
    server.middleware.unshift(async (context, next) => {
      this.requests.push(`${context.method} ${decodeURIComponent(context.url)}`);
      if (!(await this.intercept(context))) await next();
    });
    this.#port = (await server.run()).port;
    this.#running = server;
  }

  /** Creates empty objects on s3rver's disk, since thousands of requests would be slow. */
  async fill(keys: readonly string[]): Promise<void> {
    for (const key of keys) {
      const file = join(this.#folder, "adapters", `${key}._S3rver_object`);
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, "");
    }
  }

  /** Stops the server as a power cut does: connections break. */
  async stop(): Promise<void> {
    const running = this.#running;
    this.#running = null;
    running?.httpServer.closeAllConnections();
    await running?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.#folder, { recursive: true });
  }
}

/**
 * Returns lists in pages. s3rver creates its page tokens with a cipher that OpenSSL 3 lacks, so that it fails at a
 * second page.
 */
function pages(server: S3rver): Middleware {
  return async (context, next) => {
    const query = new URL(context.url, "http://s3").searchParams;
    if (query.get("list-type") !== "2") return next();
    const [prefix, startAfter] = [query.get("prefix") ?? "", query.get("continuation-token") ?? ""];
    const delimiter = query.get("delimiter") ?? "";
    const options = { prefix, delimiter, startAfter: startAfter.replace("after ", ""), maxKeys: 1000 };
    const { objects, isTruncated } = await server.store.listObjects("adapters", options);
    const contents = objects.map(({ key, size, metadata: { etag } }) => {
      return `<Contents><Key>${encodeURIComponent(key)}</Key><Size>${size}</Size><ETag>${etag}</ETag></Contents>`;
    });
    const token = `<NextContinuationToken>after ${objects.at(-1)?.key}</NextContinuationToken>`;
    const end = `<EncodingType>url</EncodingType><IsTruncated>${isTruncated}</IsTruncated>${isTruncated ? token : ""}`;
    context.status = 200;
    context.body = `<ListBucketResult>${contents.join("")}${end}</ListBucketResult>`;
  };
}

/** Checks the conditions of writes as S3 does, one write after the other. */
function conditions(server: S3rver): Middleware {
  let last: Promise<unknown> = Promise.resolve();
  return async (context, next) => {
    const [match, noneMatch] = [context.get("If-Match"), context.get("If-None-Match")];
    if (context.method !== "PUT" || (!match && !noneMatch)) return next();
    const write = async () => {
      const [, bucket, key] = /^\/([^/]+)\/(.*)$/.exec(decodeURIComponent(context.path)) as unknown as string[];
      const exists = await server.store.existsObject(bucket, key);
      const etag = exists ? (await server.store.getMetadata(bucket, key)).etag : null;
      if ((noneMatch && exists) || (match && exists && match !== etag)) {
        context.status = 412;
        context.body = "<Error><Code>PreconditionFailed</Code></Error>";
      } else if (match && !exists) {
        context.status = 404;
        context.body = "<Error><Code>NoSuchKey</Code></Error>";
      } else await next();
    };
    last = last.catch(() => undefined).then(write);
    await last;
  };
}

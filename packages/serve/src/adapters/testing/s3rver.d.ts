declare module "@20minutes/s3rver" {
  import type { IncomingMessage, Server, ServerResponse } from "node:http";

  /** The parts of Koa's context that tests use. */
  export interface Context {
    readonly method: string;
    readonly path: string;
    readonly url: string;
    readonly req: IncomingMessage;
    readonly res: ServerResponse;
    status: number;
    body: unknown;
    get(header: string): string;
    set(header: string, value: string): void;
  }
  export type Middleware = (context: Context, next: () => Promise<void>) => Promise<void>;

  // biome-ignore lint/style/noDefaultExport: the module has it.
  export default class S3rver {
    constructor(options: object);
    readonly middleware: Middleware[];
    readonly store: {
      getMetadata(bucket: string, key: string): Promise<{ etag: string }>;
      listObjects(
        bucket: string,
        options: object,
      ): Promise<{
        objects: readonly { key: string; size: number; metadata: { etag: string } }[];
        isTruncated: boolean;
      }>;
      existsObject(bucket: string, key: string): Promise<boolean>;
    };
    readonly httpServer: Server;
    run(): Promise<{ port: number }>;
    close(): Promise<void>;
  }
}

import { join } from "node:path";
import { AwsClient } from "aws4fetch";
import { type StartedProcess, startProcess, untilAnswers } from "./startProcess.ts";

const child = join(import.meta.dirname, "objectStoreChild.mjs");
const bucket = "adapters";
const region = "us-east-1";

/** An S3-compatible object store on this machine, which can be stopped and restarted with its files. */
export class ObjectStore {
  readonly endpoint: string;
  /** The URL of adapters, as `lowrank serve` accepts it. */
  readonly address: string = `s3://${bucket}`;
  /** The environment of processes that use it. */
  readonly env: NodeJS.ProcessEnv;
  readonly #folder: string;
  readonly #port: number;
  readonly #client = new AwsClient({
    accessKeyId: "S3RVER",
    secretAccessKey: "S3RVER",
    service: "s3",
    region,
    retries: 0,
  });
  #process: StartedProcess | null = null;

  constructor(folder: string, port: number) {
    this.#folder = folder;
    this.#port = port;
    this.endpoint = `http://127.0.0.1:${port}`;
    this.env = {
      AWS_ENDPOINT_URL_S3: this.endpoint,
      AWS_ACCESS_KEY_ID: "S3RVER",
      AWS_SECRET_ACCESS_KEY: "S3RVER",
      AWS_REGION: region,
    };
  }

  async start(): Promise<void> {
    const log = join(this.#folder, "store.log");
    const files = join(this.#folder, "store");
    this.#process = startProcess([process.execPath, child, files, String(this.#port), bucket], { log });
    await untilAnswers(this.endpoint, this.#process, log);
  }

  /** Kills it at once, even in the middle of a request. */
  async kill(): Promise<void> {
    this.#process?.kill("SIGKILL");
    await this.#process?.ended;
  }

  /** Makes it accept connections without answering, until `resume`. */
  hang(): void {
    this.#process?.kill("SIGSTOP");
  }

  resume(): void {
    this.#process?.kill("SIGCONT");
  }

  /**
   * Writes an adapter's folder to `path` in the bucket: its weights first, so that a half-written adapter is not
   * loaded.
   */
  async put(path: string, files: ReadonlyMap<string, Uint8Array | string>): Promise<void> {
    for (const [name, content] of [...files].reverse()) {
      await this.#send(`${path}/${name}`, { method: "PUT", body: content as BodyInit });
    }
  }

  async delete(path: string, names: Iterable<string>): Promise<void> {
    for (const name of names) await this.#send(`${path}/${name}`, { method: "DELETE" });
  }

  async #send(key: string, init: RequestInit): Promise<void> {
    const response = await this.#client.fetch(`${this.endpoint}/${bucket}/${key}`, init);
    if (!response.ok) throw new Error(`the object store answered ${response.status} to ${init.method} ${key}`);
    await response.body?.cancel();
  }
}

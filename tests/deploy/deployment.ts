import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ObjectStore } from "@lowrank/test-support/objectStore";
import { freePorts } from "@lowrank/test-support/ports";
import { parse } from "yaml";
import { Replica } from "./replica.ts";
import { type Nginx, startNginx } from "./startNginx.ts";

const published = join(import.meta.dirname, "../../docs/deploy/serve.yaml");

/** Options of a `Deployment`. */
export interface DeploymentOptions {
  /** The folder of the base model. */
  readonly model: string;
  /** Bytes for adapters in the memory of one replica. */
  readonly maxAdapterBytes: number;
  /** Returns additional environment variables of a replica, which may keep files in `folder`. Default: none. */
  readonly envOf?: (replica: string, folder: string) => NodeJS.ProcessEnv;
}

/** The holder of an API key, in plain text. */
export interface Tenant {
  readonly id: string;
  readonly key: string;
}

/** A tenant that may use all adapters, and load and unload them. */
export const admin: Tenant = { id: "admin", key: "key-of-the-admin" };

/** Tenants that may use the base model, and the adapters whose names begin with their id and a slash. */
export const tenants: readonly Tenant[] = ["acme", "globex"].map((id) => ({ id, key: `key-of-${id}` }));

/** The base model's name in requests. */
export const baseName = "base";

/** A local deployment as in docs/deploy: three replicas, nginx in front of them and a shared object store. */
export class Deployment implements AsyncDisposable {
  readonly folder: string;
  readonly store: ObjectStore;
  readonly replicas: readonly Replica[];
  /** A server on the same store, to which nginx does not forward. */
  readonly alone: Replica;
  readonly #port: number;
  #nginx: Nginx | null = null;
  /** Keeps the folder with its logs, which is otherwise removed at the end. */
  keepsFolder = false;

  private constructor(folder: string, options: DeploymentOptions, [port, storePort, ...ports]: readonly number[]) {
    this.folder = folder;
    this.#port = port;
    this.store = new ObjectStore(folder, storePort);
    const config = writeSettings(folder, this.store, options);
    const all = ["replica-1", "replica-2", "replica-3", "alone"].map((name, i) => {
      const env = { ...this.store.env, ...options.envOf?.(name, folder) };
      return new Replica({ name, port: ports[i], folder, args: ["--config", config], env });
    });
    this.replicas = all.slice(0, 3);
    this.alone = all[3];
  }

  /** Starts the object store, so that adapters can be uploaded. Replicas and nginx are not started yet. */
  static async create(options: DeploymentOptions): Promise<Deployment> {
    const folder = mkdtempSync(join(tmpdir(), "lowrank-deploy-"));
    const deployment = new Deployment(folder, options, await freePorts(6));
    await deployment.store.start();
    return deployment;
  }

  /** Starts the replicas and nginx. */
  async start(): Promise<void> {
    await Promise.all(this.replicas.map((replica) => replica.start()));
    this.#nginx = startNginx(
      this.folder,
      this.#port,
      this.replicas.map(({ port }) => port),
    );
    await this.#nginx.answers();
  }

  get nginx(): Nginx {
    if (!this.#nginx) throw new Error("nginx was not started");
    return this.#nginx;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const replicas = [...this.replicas, this.alone].filter(({ process }) => process?.isAlive());
    await Promise.all([...replicas.map((replica) => replica.kill()), this.store.kill(), this.#nginx?.stop()]);
    if (!this.keepsFolder) rmSync(this.folder, { recursive: true });
  }
}

/** Writes the settings and the keys of all replicas. Returns the path of the settings. */
function writeSettings(folder: string, { address }: ObjectStore, options: DeploymentOptions): string {
  const hash = ({ id, key }: Tenant) => ({ id, sha256: createHash("sha256").update(key).digest("hex") });
  const keys = [
    { ...hash(admin), operator: true },
    ...tenants.map((tenant) => ({ ...hash(tenant), adapters: [`${tenant.id}/*`] })),
  ];
  const settings = join(folder, "serve.json");
  const keyFile = join(folder, "keys.json");
  writeFileSync(keyFile, JSON.stringify(keys, null, 2));
  const own = {
    model: options.model,
    "served-model-name": baseName,
    store: address,
    "adapter-memory": options.maxAdapterBytes,
    "api-key-file": keyFile,
    host: "127.0.0.1",
  };
  writeFileSync(settings, JSON.stringify({ ...parse(readFileSync(published, "utf8")), ...own }, null, 2));
  return settings;
}

import { type Backend, init, UnavailableError } from "@lowrank/core";
import { Option } from "commander";

/** Settings of the backend on which a command computes. */
export interface BackendSettings {
  threads?: number;
  /** True to use fused SIMD instructions. Default false. */
  wideSimd?: boolean;
  /** True to compute each row of a batch in the same way, regardless of the other rows. Default false. */
  batchInvariant?: boolean;
}

/** Default settings of a backend. */
const usual: Required<BackendSettings> = { threads: 1, wideSimd: false, batchInvariant: false };

/** Backend that `--backend` can name. */
interface NamedBackend {
  /** Settings that this backend supports. `startBackend` throws for any other setting that differs from its default. */
  readonly settings: readonly (keyof BackendSettings)[];
  /** Imports the backend's package and starts the backend. */
  start(settings: BackendSettings): Promise<Backend>;
}

const defaultBackend = "wasm";

const backends: Readonly<Record<string, NamedBackend>> = {
  [defaultBackend]: {
    settings: ["threads", "wideSimd", "batchInvariant"],
    start: async (settings) => (await import("@lowrank/wasm")).wasm(settings),
  },
  webgpu: {
    settings: ["batchInvariant"],
    start: async ({ batchInvariant }) => (await import("@lowrank/webgpu")).webgpu({ batchInvariant }),
  },
};

/** Names that `--backend` accepts. */
export const backendNames: readonly string[] = Object.keys(backends);

/** Returns the `--backend` option of commands that compute. Default `wasm`. */
export function backendOption(): Option {
  return new Option(
    "--backend <name>",
    "compute backend; webgpu needs a graphics driver and the package webgpu (npm install webgpu)",
  )
    .choices(backendNames)
    .default(defaultBackend);
}

/**
 * Starts the backend named `name` and makes it the default for new tensors. Throws if this machine does not support the
 * backend, or if the backend does not support one of the given settings.
 */
export async function startBackend(name: string = defaultBackend, given: BackendSettings = {}): Promise<Backend> {
  const { settings, start } = backends[name];
  const own: BackendSettings = {};
  for (const key of Object.keys(usual) as (keyof BackendSettings)[]) {
    const value = given[key] ?? usual[key];
    if (settings.includes(key)) Object.assign(own, { [key]: value });
    else if (value !== usual[key]) {
      throw new Error(`${flagOf(key)}${value === true ? "" : ` ${value}`} is not for --backend ${name}; leave it out`);
    }
  }
  try {
    return await init(start(own));
  } catch (error) {
    if (!(error instanceof UnavailableError)) throw error;
    const { reason, remedy } = error;
    throw new Error(`--backend ${name}: ${reason}; ${remedy}, or leave --backend out`, { cause: error });
  }
}

/** Returns a backend's name for messages: "webgpu on SwiftShader Device (LLVM 16.0.0)". */
export function describeBackend({ name, adapter }: Pick<Backend, "name" | "adapter">): string {
  return adapter === undefined ? name : `${name} on ${adapter}`;
}

/** Prints the name of a backend's GPU adapter on stderr, if it has one. */
export function printAdapter(backend: Pick<Backend, "name" | "adapter">): void {
  if (backend.adapter !== undefined) console.error(`backend: ${describeBackend(backend)}`);
}

/** Returns the flag of a setting: "wideSimd" becomes --wide-simd. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

import { type Backend, init, UnavailableError } from "@lowrank/core";
import { Option } from "commander";

/** Settings of the backend on which a command computes. */
export interface BackendSettings {
  threads?: number;
  /** With fused SIMD. */
  wideSimd?: boolean;
  /** A row's numbers do not depend on the rows beside it. */
  batchInvariant?: boolean;
}

/** The settings of a command that says nothing. */
const usual: Required<BackendSettings> = { threads: 1, wideSimd: false, batchInvariant: false };

/** A backend that commands know by name. */
interface NamedBackend {
  /** The settings that it has; others are errors. */
  readonly settings: readonly (keyof BackendSettings)[];
  /** Loads its package and starts it. */
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

/** The names of the backends. */
export const backendNames: readonly string[] = Object.keys(backends);

/** `--backend`, of the commands that compute. */
export function backendOption(): Option {
  return new Option("--backend <name>", "what computes; webgpu needs a graphics driver, and npm install webgpu")
    .choices(backendNames)
    .default(defaultBackend);
}

/**
 * Starts the backend named `name`, on which new tensors are then created. Throws where this machine
 * has none, and for a setting that it does not have.
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

/** "webgpu on SwiftShader Device (LLVM 16.0.0)": for people. */
export function describeBackend({ name, adapter }: Pick<Backend, "name" | "adapter">): string {
  return adapter === undefined ? name : `${name} on ${adapter}`;
}

/** Says on stderr on which adapter a backend runs, where it has one. */
export function printAdapter(backend: Pick<Backend, "name" | "adapter">): void {
  if (backend.adapter !== undefined) console.error(`backend: ${describeBackend(backend)}`);
}

/** "wideSimd": --wide-simd. */
export function flagOf(key: string): string {
  return `--${key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

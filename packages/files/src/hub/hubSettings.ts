import type { OnProgress } from "@lowrank/core";

/** Options for reading from the Hugging Face hub. In Node their defaults come from the environment. */
export interface HubOptions {
  /** The access token. Default in Node: HF_TOKEN, else the token saved by `hf auth login`. */
  token?: string;
  /** The address of the hub. Default: HF_ENDPOINT, else https://huggingface.co. */
  endpoint?: string;
  /** Reads files only from the cache, as HF_HUB_OFFLINE=1 does. Default: HF_HUB_OFFLINE, else false. */
  localFilesOnly?: boolean;
  /**
   * Stores downloaded files: whole files in Node, and only the requested byte ranges in a browser page. Default: true.
   * If false, byte ranges are downloaded when they are needed, and not stored. With `localFilesOnly`, files are read
   * from the cache even if this option is false.
   */
  cache?: boolean;
  /** The folder of the cache (Node only). Default: HF_HUB_CACHE, else HF_HOME/hub. */
  cacheDir?: string;
}

/** Options of `hubFiles`. */
export interface HubFilesOptions extends HubOptions {
  /** Called during a download with the file's name, the bytes downloaded so far, and the file's total size in bytes. */
  onProgress?: OnProgress;
  /** Aborts a download: the promise rejects with the signal's reason. Bytes downloaded so far are kept. */
  signal?: AbortSignal;
}

/** Settings for the hub, with defaults filled in. */
export interface HubSettings {
  readonly token: string | undefined;
  readonly endpoint: string;
  readonly offline: boolean;
  /** Folder of the cache; undefined in a page, which stores files in Cache Storage instead. */
  readonly cacheDir: string | undefined;
}

/**
 * Returns the settings: from options, else from environment variables as Python's huggingface_hub reads them, else
 * defaults.
 */
export async function hubSettings(options: HubOptions): Promise<HubSettings> {
  const { env, getBuiltinModule } = globalThis.process ?? {};
  const endpoint = (options.endpoint ?? env?.HF_ENDPOINT ?? "https://huggingface.co").replace(/\/+$/, "");
  const offline = options.localFilesOnly ?? /^(1|on|yes|true)$/i.test(env?.HF_HUB_OFFLINE ?? "");
  if (!getBuiltinModule) {
    if (options.cacheDir !== undefined) {
      throw new Error(
        `cacheDir "${options.cacheDir}" is a folder, but browsers cache files in Cache Storage; leave it out`,
      );
    }
    return { token: checkToken(options.token, "token"), endpoint, offline, cacheDir: undefined };
  }
  const { homedir } = getBuiltinModule("node:os");
  const { join } = getBuiltinModule("node:path");
  const { readFile } = getBuiltinModule("node:fs/promises");
  const expand = (path: string) => (/^~(?=$|[/\\])/.test(path) ? join(homedir(), path.slice(1)) : path);
  const home = expand(env?.HF_HOME ?? join(env?.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "huggingface"));
  const cacheDir = expand(options.cacheDir ?? env?.HF_HUB_CACHE ?? env?.HUGGINGFACE_HUB_CACHE ?? join(home, "hub"));
  if (options.token !== undefined) return { token: checkToken(options.token, "token"), endpoint, offline, cacheDir };
  const named = env?.HF_TOKEN ?? env?.HUGGING_FACE_HUB_TOKEN;
  if (named) return { token: checkToken(named, "HF_TOKEN"), endpoint, offline, cacheDir };
  const file = expand(env?.HF_TOKEN_PATH ?? join(home, "token"));
  const stored = await readFile(file, "utf8").catch(() => undefined);
  return { token: checkToken(stored, file), endpoint, offline, cacheDir };
}

function checkToken(token: string | undefined, from: string): string | undefined {
  const trimmed = token?.trim();
  if (!trimmed) return undefined;
  if (trimmed.startsWith("hf_")) return trimmed;
  throw new Error(`${from} holds no access token of the Hugging Face hub, which begins with "hf_"`);
}

import type { ByteSource } from "@lowrank/core";
import { InterruptedBody, reasonOf } from "../sources/interruptedBody.ts";
import { rangeSource } from "../sources/rangeSource.ts";
import type { HubSettings } from "./hubSettings.ts";
import type { HubFile } from "./hubStore.ts";

/** Bytes of a file, and their position in it. */
interface HubBytes {
  readonly position: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** One repository on the hub, accessed with `@huggingface/hub`. */
export interface HubClient {
  /** Returns the current commit of a branch or tag. */
  commitOf(revision: string): Promise<string>;
  /** Returns the files of a commit, by path. */
  filesOf(commit: string): Promise<ReadonlyMap<string, HubFile>>;
  /**
   * Downloads a file from byte `from` on, or from its start if the server does not support ranges. Yields pieces with
   * their positions. Throws `InterruptedBody` if the connection breaks.
   */
  read(commit: string, file: HubFile, from: number): AsyncGenerator<HubBytes, void>;
  /** Opens a file without downloading it: each byte range is requested when it is read. */
  source(commit: string, file: HubFile): ByteSource;
}

/**
 * Opens a repository. Loads `@huggingface/hub` on the first call, so that programs without hub models do not load it.
 */
export async function hubClient(
  repo: string,
  { endpoint, token: accessToken }: HubSettings,
  signal?: AbortSignal,
): Promise<HubClient> {
  const { downloadFile, listFiles, modelInfo } = await import("./hubLibrary.ts");

  /**
   * Sends a request to the hub. For an unsuccessful response, throws an error that explains the cause and what to do.
   */
  const request: typeof fetch = async (input, init) => {
    let response: Response;
    try {
      response = await fetch(input, { ...init, signal, cache: "no-store" });
    } catch (error) {
      signal?.throwIfAborted();
      throw new InterruptedBody(`hf://${repo}: ${endpoint} cannot be reached (${reasonOf(error)})`, { cause: error });
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw refusal(response, { repo, endpoint, accessToken });
  };
  const common = { hubUrl: endpoint, accessToken, fetch: request };
  const urlOf = (commit: string, { path }: HubFile) =>
    `${endpoint}/${repo}/resolve/${commit}/${path.split("/").map(encodeURIComponent).join("/")}`;

  return {
    commitOf: async (revision) => {
      const { sha } = await online(modelInfo({ name: repo, revision, additionalFields: ["sha"], ...common }));
      return sha;
    },
    filesOf: async (commit) => {
      const files = new Map<string, HubFile>();
      const entries = listFiles({ repo, revision: commit, recursive: true, ...common });
      await online(
        (async () => {
          for await (const { type, path, size, oid, lfs } of entries) {
            const etag = lfs?.oid ?? oid ?? "";
            if (type !== "file") continue;
            if (!/^\w+$/.test(etag))
              throw new Error(`hf://${repo}: the hub sent the id "${etag}" for ${path}; expected a hash`);
            files.set(path, { path, size, etag });
          }
        })(),
      );
      return files;
    },
    read: async function* (commit, file, from) {
      let position = from;
      let failure: unknown;
      const noting: typeof fetch = async (input, init) => {
        try {
          const response = await request(input, init);
          if (response.status !== 206) position = 0;
          return response;
        } catch (error) {
          failure = error;
          throw error;
        }
      };
      // Files in Xet storage are also read by their plain address, which supports any byte range.
      const downloadInfo = { url: urlOf(commit, file), size: file.size, etag: file.etag };
      const options = { ...common, fetch: noting, repo, path: file.path, revision: commit, downloadInfo, xet: false };
      const whole = (await downloadFile(options)) as Blob;
      const reader = (from > 0 ? whole.slice(from) : whole).stream().getReader();
      try {
        for (;;) {
          const { done, value } = await reader.read().catch((error) => {
            signal?.throwIfAborted();
            throw failure ?? new InterruptedBody(reasonOf(error), { cause: error });
          });
          if (done) return;
          yield { position, bytes: value };
          position += value.length;
        }
      } finally {
        await reader.cancel().catch(() => undefined);
      }
    },
    source: (commit, file) => {
      const authorization = accessToken ? { Authorization: `Bearer ${accessToken}` } : undefined;
      const get = (range: string) => request(urlOf(commit, file), { headers: { Range: range, ...authorization } });
      return rangeSource({ label: `hf://${repo}: ${file.path}`, size: file.size, get });
    },
  };

  /**
   * Waits for a response of the hub. If the hub cannot be reached, throws an error that explains how to work offline.
   */
  async function online<T>(answer: Promise<T>): Promise<T> {
    return answer.catch((error) => {
      if (!(error instanceof InterruptedBody)) throw error;
      const offline = "if the model was downloaded before, set HF_HUB_OFFLINE=1, or hub: { localFilesOnly: true }";
      throw new Error(`${error.message}; ${offline}`, { cause: error });
    });
  }
}

/** Returns the error for an unsuccessful response of the hub. Its message explains the status code and what to do. */
function refusal(
  { status, statusText, headers, url }: Response,
  { repo, endpoint, accessToken }: { repo: string; endpoint: string; accessToken: string | undefined },
): Error {
  const code = headers.get("X-Error-Code");
  const said = `(${status}${code ? `, ${code}` : ""})`;
  const give = `a token of ${endpoint}/settings/tokens: set HF_TOKEN, or give hub: { token: "hf_..." }`;
  const page = `${endpoint}/${repo}`;
  if (code === "GatedRepo" && !accessToken) {
    return new Error(`hf://${repo} is gated ${said}; accept its terms at ${page}, then give ${give}`);
  }
  if (code === "GatedRepo" || status === 403) {
    return new Error(
      `hf://${repo} is closed to the token's account ${said}; ask for access at ${page}, or give ${give}`,
    );
  }
  if (code === "RevisionNotFound") {
    return new Error(`hf://${repo} has no such revision ${said}; ${page}/refs names its branches and tags`);
  }
  if (status === 401 || status === 404) {
    const advice = accessToken
      ? "the token may be wrong, or of an account without access"
      : `if it is private, give ${give}`;
    return new Error(`${endpoint} shows no model ${repo} ${said}; check the name; ${advice}`);
  }
  return new Error(`${url}: ${status} ${statusText}`.trimEnd());
}

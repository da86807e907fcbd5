import { bytesSource } from "@lowrank/core";
import { checkOptions } from "@lowrank/core/internal";
import type { ModelFiles } from "../interface/modelFiles.ts";
import { InterruptedBody, reasonOf } from "../sources/interruptedBody.ts";

/** Options of `urlFiles`. */
export interface UrlFilesOptions {
  /** Headers to send with every request, for example `Authorization`. */
  headers?: Record<string, string>;
  /** Function to use instead of the global `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/**
 * Returns the files below an address, such as `https://host/models/name/`. Large files are read in parts by Range
 * requests. If the server does not support these, or compresses its responses, the whole file is downloaded once and
 * held in memory. Throws an `Error` with the address for any unsuccessful response other than 404. A text/html response
 * counts as a missing file, since servers of single-page apps answer that way.
 */
export function urlFiles(base: string | URL, options: UrlFilesOptions = {}): ModelFiles {
  checkOptions("urlFiles", options, { headers: true, fetch: true });
  const root = new URL(base);
  if (!root.pathname.endsWith("/")) root.pathname += "/";
  const { fetch = globalThis.fetch, headers } = options;
  const request = (name: string, init: RequestInit & { headers?: Record<string, string> } = {}) => {
    const url = new URL(name, root);
    return fetch(url, { ...init, headers: { ...headers, ...init.headers } }).catch((error) => {
      const why = reasonOf(error);
      throw new InterruptedBody(`${url} cannot be reached (${why}); check the address and its CORS headers`, {
        cause: error,
      });
    });
  };

  /** Returns a source of a whole file, downloaded from the response into memory. */
  const whole = async (response: Response, name: string, size?: number) => {
    checkStatus(response, root, name);
    const bytes = await response.arrayBuffer().catch((error) => {
      throw new Error(`the download of ${new URL(name, root)} broke off (${reasonOf(error)}); load it again`, {
        cause: error,
      });
    });
    if (size === undefined || bytes.byteLength === size) return bytesSource(new Uint8Array(bytes));
    throw new Error(`${new URL(name, root)}: the server sent ${bytes.byteLength} of ${size} bytes; load it again`);
  };

  return {
    label: root.href,
    has: async (name) => {
      const response = await request(name, { method: "HEAD" });
      if (response.status === 404 || isPage(response, name)) return false;
      checkStatus(response, root, name);
      return true;
    },
    readText: async (name) => {
      const response = await request(name);
      checkStatus(response, root, name);
      return response.text();
    },
    open: async (name) => {
      // Requests two bytes, because sirv, the server inside Vite, answers `bytes=0-0` with the whole file.
      const first = await request(name, { headers: { Range: "bytes=0-1" } });
      // An empty file has no valid range, and ranges of a compressed response do not match the file, so read the file
      // as a whole.
      if (first.status === 416 || (first.status === 206 && isEncoded(first))) {
        await first.body?.cancel();
        return whole(await request(name), name);
      }
      checkStatus(first, root, name);
      if (first.status !== 206) return whole(first, name);
      const { size, end } = sentRange(first, root, name);
      if (end > 1 && end === size - 1) return whole(first, name, size);
      await first.body?.cancel();
      const { rangeSource } = await import("../sources/rangeSource.ts");
      const get = (range: string) => request(name, { headers: { Range: range } });
      return rangeSource({ label: String(new URL(name, root)), size, get });
    },
  };
}

/**
 * Returns the file's size in bytes, and the position in the file of the last byte that the response contains, from its
 * Content-Range header.
 */
function sentRange(response: Response, root: URL, name: string): { size: number; end: number } {
  const range = response.headers.get("Content-Range");
  const [, end, size] = /^bytes 0-(\d+)\/(\d+)$/.exec(range ?? "") ?? [];
  if (size === undefined) {
    const fix = "a server of another origin must list Content-Range in Access-Control-Expose-Headers";
    throw new Error(`${new URL(name, root)}: no size in Content-Range (${range}), expected bytes 0-1/SIZE; ${fix}`);
  }
  return { size: Number(size), end: Number(end) };
}

function isEncoded({ headers }: Response): boolean {
  return !/^(identity)?$/i.test(headers.get("Content-Encoding") ?? "");
}

function checkStatus(response: Response, root: URL, name: string): void {
  if (!response.ok) throw new Error(`${new URL(name, root)}: ${response.status} ${response.statusText}`.trimEnd());
  if (!isPage(response, name)) return;
  throw new Error(
    `${new URL(name, root)}: the server answered with an HTML page, as servers do for a missing file; check the address`,
  );
}

/** Returns true if the response is the HTML page of a single-page app instead of the file. */
function isPage({ headers }: Response, name: string): boolean {
  return /^text\/html\b/.test(headers.get("Content-Type") ?? "") && !name.endsWith(".html");
}

import { bytesSource, checkOptions } from "@lowrank/core";
import { InterruptedBody, reasonOf } from "./interruptedBody.ts";
import type { ModelFiles } from "./modelFiles.ts";

/** Options of `urlFiles`. */
export interface UrlFilesOptions {
  /** Sent with every request, for example an authorization. */
  headers?: Record<string, string>;
  /** Used instead of the global fetch. */
  fetch?: typeof globalThis.fetch;
}

/**
 * Files below an address, such as `https://host/models/name/`. Large files are read in parts by
 * Range requests; from a server that does not know these, a file is fetched whole, once. Any answer
 * but success or 404 is an error. A page (text/html) in the place of a file means that there is
 * none, as servers of single-page apps say it.
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
      const first = await request(name, { headers: { Range: "bytes=0-0" } });
      checkStatus(first, root, name);
      if (first.status !== 206) return bytesSource(new Uint8Array(await first.arrayBuffer()));
      await first.arrayBuffer();
      const { rangeSource } = await import("./rangeSource.ts");
      const get = (range: string) => request(name, { headers: { Range: range } });
      return rangeSource({ label: String(new URL(name, root)), size: totalSize(first, root, name), get });
    },
  };
}

function totalSize(response: Response, root: URL, name: string): number {
  const range = response.headers.get("Content-Range");
  const size = Number(range?.split("/")[1]);
  if (!Number.isSafeInteger(size)) {
    const fix = "a server of another origin must list Content-Range in Access-Control-Expose-Headers";
    throw new Error(`${new URL(name, root)}: the size is not told (Content-Range: ${range}); ${fix}`);
  }
  return size;
}

function checkStatus(response: Response, root: URL, name: string): void {
  if (!response.ok) throw new Error(`${new URL(name, root)}: ${response.status} ${response.statusText}`.trimEnd());
  if (!isPage(response, name)) return;
  throw new Error(
    `${new URL(name, root)}: the server answered with a page, as it does where it has no such file; look at the address`,
  );
}

/** True if the server of a single-page app answered with its page in the place of a file. */
function isPage({ headers }: Response, name: string): boolean {
  return /^text\/html\b/.test(headers.get("Content-Type") ?? "") && !name.endsWith(".html");
}

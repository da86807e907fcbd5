import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { buffer } from "node:stream/consumers";

/** A repository of the fake hub. */
export interface FakeRepo {
  readonly name: string;
  /** The commits of branches and tags. */
  readonly refs: Readonly<Record<string, string>>;
  /** Restricts who may read it; default everyone. The token "hf_owner" may read all. */
  readonly access?: "gated" | "private";
}

/** A failure of the next answers that contain a file. */
export interface Fault {
  readonly path: string;
  /** The number of answers that fail. */
  readonly times: number;
  /** Closes the connection after this many bytes. */
  readonly cutAfter?: number;
  /** Declares this many bytes for the file, and sends them. */
  readonly length?: number;
  /** Answers a Range request with the whole file. */
  readonly whole?: boolean;
}

interface StoredFile {
  readonly content: Buffer;
  readonly etag: string;
  readonly isLfs: boolean;
}

interface State {
  readonly repos: Map<string, FakeRepo>;
  /** By "org/name/commit", then by path. */
  readonly files: Map<string, Map<string, StoredFile>>;
  readonly requests: string[];
  faults: (Fault & { left: number })[];
}

/** The path of the fake hubs on a server; the next path segment identifies the hub of a test. */
export const fakeHubRoot = "/fake-hub/";

/**
 * Returns a request handler that answers like the Hugging Face hub does for models, from repositories that tests upload
 * under `/-/`.
 */
export function fakeHub(): (request: IncomingMessage, response: ServerResponse) => void {
  const states = new Map<string, State>();
  return (request, response) => {
    const url = new URL(request.url ?? "", `http://${request.headers.host}`);
    const [id, ...rest] = url.pathname.slice(fakeHubRoot.length).split("/");
    const state = states.get(id) ?? { repos: new Map(), files: new Map(), requests: [], faults: [] };
    states.set(id, state);
    const root = `${url.origin}${fakeHubRoot}${id}`;
    answer(state, { request, response, url, root, parts: rest.map(decodeURIComponent) }).catch((error) => {
      response.writeHead(500).end(String(error));
    });
  };
}

interface Exchange {
  request: IncomingMessage;
  response: ServerResponse;
  url: URL;
  root: string;
  parts: string[];
}

async function answer(state: State, exchange: Exchange): Promise<void> {
  const { request, response, parts } = exchange;
  if (parts[0] === "-" && parts[1] !== "lfs") return control(state, exchange);
  const { range, authorization } = request.headers;
  state.requests.push([request.method, parts.join("/"), ...(range ? [range] : [])].join(" "));
  if (parts[0] === "-") {
    const [, , owner, name, commit, , ...path] = parts;
    return sendFile(state, exchange, `${owner}/${name}/${commit}`, path.join("/"));
  }
  const isApi = parts[0] === "api";
  const [owner, own, kind, revision, ...path] = isApi ? parts.slice(2) : parts;
  const repo = state.repos.get(`${owner}/${own}`);
  const open = authorization === "Bearer hf_owner";
  // As on the hub, a private repository looks as if it did not exist to users without access, and a gated one shows
  // everything but files.
  if (!repo || (repo.access === "private" && !open)) return fail(response, authorization ? 404 : 401, "RepoNotFound");
  if (repo.access === "gated" && !open && !isApi) return fail(response, authorization ? 403 : 401, "GatedRepo");
  const commit = repo.refs[revision] ?? revision;
  const snapshot = `${repo.name}/${commit}`;
  const files = state.files.get(snapshot);
  if (!files) return fail(response, 404, "RevisionNotFound");
  if (kind === "revision") {
    const siblings = Array.from(files.keys(), (rfilename) => ({ rfilename }));
    return sendJson(response, { _id: "1", id: repo.name, sha: commit, siblings, lastModified: "2026-01-01T00:00:00Z" });
  }
  if (kind === "tree") {
    return sendJson(
      response,
      Array.from(files, ([path, { content, etag, isLfs }]) => {
        const lfs = { oid: etag, size: content.length, pointerSize: 130 };
        return { type: "file", path, size: content.length, oid: isLfs ? "0".repeat(40) : etag, ...(isLfs && { lfs }) };
      }),
    );
  }
  const file = files.get(path.join("/"));
  if (!file) return fail(response, 404, "EntryNotFound");
  if (!file.isLfs) return sendFile(state, exchange, snapshot, path.join("/"));
  const linked = { "X-Repo-Commit": commit, "X-Linked-Size": file.content.length, "X-Linked-Etag": `"${file.etag}"` };
  const location = `${exchange.root}/-/lfs/${snapshot}/${file.etag}/${path.join("/")}`;
  response.writeHead(302, { ...linked, Location: location, "Content-Length": 0 }).end();
}

/** Handles a test's uploads, and returns the log of requests to it. */
async function control(state: State, { request, response, parts: [, what, ...rest] }: Exchange): Promise<void> {
  const body = await buffer(request);
  if (what === "repo") {
    const repo: FakeRepo = JSON.parse(body.toString());
    state.repos.set(repo.name, repo);
  } else if (what === "fault") {
    const fault: Fault = JSON.parse(body.toString());
    state.faults.push({ ...fault, left: fault.times });
  } else if (what === "file") {
    const [owner, name, commit, ...path] = rest;
    const snapshot = `${owner}/${name}/${commit}`;
    const isLfs = /\.(safetensors|gguf|bin)$/.test(path.join("/"));
    const files = state.files.get(snapshot) ?? new Map<string, StoredFile>();
    state.files.set(snapshot, files.set(path.join("/"), { content: body, etag: etagOf(body, isLfs), isLfs }));
  }
  sendJson(response, what === "requests" ? state.requests.splice(0) : null);
}

/** The id of a content, computed as by Git and Git LFS. */
function etagOf(content: Buffer, isLfs: boolean): string {
  if (isLfs) return createHash("sha256").update(content).digest("hex");
  return createHash("sha1").update(`blob ${content.length}\0`).update(content).digest("hex");
}

function sendFile(state: State, { request, response }: Exchange, snapshot: string, path: string): void {
  const file = state.files.get(snapshot)?.get(path);
  if (!file) {
    fail(response, 404, "EntryNotFound");
    return;
  }
  const fault =
    request.method === "GET" ? state.faults.find(({ path: at, left }) => at === path && left > 0) : undefined;
  if (fault) fault.left--;
  const { length = file.content.length, whole = false, cutAfter } = fault ?? {};
  const content = Buffer.concat([file.content, Buffer.alloc(Math.max(0, length - file.content.length))], length);
  const [, from, to] = (!whole && /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? "")) || [];
  const end = Math.min(to ? Number(to) + 1 : content.length, content.length);
  const body = content.subarray(Number(from ?? 0), end);
  const range = from && { "Content-Range": `bytes ${from}-${end - 1}/${content.length}` };
  const headers = {
    "X-Repo-Commit": snapshot.split("/")[2],
    ETag: `"${file.etag}"`,
    "Accept-Ranges": "bytes",
    "Content-Length": body.length,
  };
  response.writeHead(from ? 206 : 200, { ...headers, ...range });
  if (request.method === "HEAD") response.end();
  else if (cutAfter === undefined) response.end(body);
  else response.write(body.subarray(0, cutAfter), () => setTimeout(() => response.destroy(), 200));
}

function sendJson(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { "Content-Type": "application/json" }).end(JSON.stringify(value));
}

function fail(response: ServerResponse, status: number, code: string): void {
  const headers = { "X-Error-Code": code, "X-Error-Message": code, "Content-Type": "application/json" };
  response.writeHead(status, headers).end(JSON.stringify({ error: code }));
}

import type { FakeRepo, Fault } from "./fakeHub.ts";

/** A hub on this machine, with the repositories that a test uploads. */
export interface FakeHub extends AsyncDisposable {
  /** The address of the hub. */
  readonly endpoint: string;
  /** Adds a repository whose branch `main` is at `commit`, or moves the branch there. */
  put(repo: Omit<FakeRepo, "refs"> & { commit?: string; tags?: FakeRepo["refs"] }, files: Contents): Promise<void>;
  fail(fault: Fault): Promise<void>;
  /** Returns the requests since the last call, as "GET org/name/resolve/commit/path bytes=0-9". */
  requests(): Promise<string[]>;
}

type Contents = Iterable<readonly [path: string, content: Uint8Array | string]>;

/** The default commit of a repository's `main`. */
export const fakeCommit = "0123456789".repeat(4);

/** Starts a fake hub: on a new server in Node, and on the page's server in a page. */
export async function startFakeHub(): Promise<FakeHub> {
  const { origin, close } = await server();
  const endpoint = `${origin}/fake-hub/${crypto.randomUUID()}`;
  const control = async (path: string, body: BodyInit) => {
    const response = await fetch(`${endpoint}/-/${path}`, { method: "POST", body });
    if (!response.ok) throw new Error(await response.text());
    return response.json();
  };
  return {
    endpoint,
    put: async ({ commit = fakeCommit, tags, ...repo }, files) => {
      await control("repo", JSON.stringify({ ...repo, refs: { main: commit, ...tags } }));
      for (const [path, content] of files) await control(`file/${repo.name}/${commit}/${path}`, content as BodyInit);
    },
    fail: (fault) => control("fault", JSON.stringify(fault)),
    requests: () => control("requests", ""),
    [Symbol.asyncDispose]: close,
  };
}

async function server(): Promise<{ origin: string; close: () => Promise<void> }> {
  const find = globalThis.process?.getBuiltinModule;
  if (!find) return { origin: location.origin, close: async () => {} };
  const { fakeHub } = await import("./fakeHub.ts");
  const server = find("node:http").createServer(fakeHub());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const close = async () => {
    server.close();
    server.closeAllConnections();
  };
  return { origin: `http://127.0.0.1:${port}`, close };
}

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import sirv from "sirv";
import { afterEach, describe, expect, it } from "vitest";
import { urlFiles } from "./urlFiles.ts";

const size = 5_000_000;
const content = Uint8Array.from({ length: size }, (_, i) => (i * 7 + (i >> 8)) & 255);
const opened: (() => void)[] = [];

afterEach(() => {
  for (const close of opened.splice(0)) close();
});

/** Serves until the test ends. Returns the address, the requested ranges, and the bytes of bodies sent so far. */
async function serve(listener: RequestListener) {
  const ranges: (string | undefined)[] = [];
  const server: Server = createServer((request, response) => {
    ranges.push(request.headers.range);
    listener(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  let closed = 0;
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => {
      closed += socket.bytesWritten;
      sockets.delete(socket);
    });
  });
  opened.push(() => {
    server.closeAllConnections();
    server.close();
  });
  const sent = () => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, closed);
  return { files: urlFiles(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`), ranges, sent };
}

function folder(bytes: Uint8Array): string {
  const path = mkdtempSync(join(tmpdir(), "lowrank-url-"));
  opened.push(() => rmSync(path, { recursive: true }));
  writeFileSync(join(path, "data"), bytes);
  return path;
}

/** Reads a range as `first-last`, or null if the request does not have one. */
function rangeOf({ headers }: IncomingMessage): [number, number] | null {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? "") ?? [];
  return to === undefined ? null : [Number(from), Number(to)];
}

function send(response: ServerResponse, status: number, headers: Record<string, string>, bytes: Uint8Array): void {
  response.writeHead(status, headers).end(bytes);
}

describe("a file of a server", () => {
  it("is downloaded in parts from sirv, the server inside Vite, and never whole", async () => {
    const { files, ranges, sent } = await serve(sirv(folder(content), { dev: true }) as RequestListener);
    const source = await files.open("data");
    expect(source.size).toBe(size);
    expect(await source.read(1000, 5000)).toEqual(content.slice(1000, 6000));
    expect(ranges).toEqual(["bytes=0-1", "bytes=1000-5999"]);
    expect(sent()).toBeLessThan(10_000);
  });

  it("is downloaded once if the server ignores ranges", async () => {
    const { files, ranges, sent } = await serve((_, response) => send(response, 200, {}, content));
    const source = await files.open("data");
    expect(await source.read(size - 5, 5)).toEqual(content.slice(size - 5));
    expect(await source.read(0, 5)).toEqual(content.slice(0, 5));
    expect(ranges).toEqual(["bytes=0-1"]);
    expect(sent()).toBeLessThan(size + 10_000);
  });

  it("is downloaded once if the server answers 206 with everything", async () => {
    const headers = { "Content-Range": `bytes 0-${size - 1}/${size}` };
    const { files, ranges, sent } = await serve((_, response) => send(response, 206, headers, content));
    const source = await files.open("data");
    expect(source.size).toBe(size);
    expect(await source.read(77, 99)).toEqual(content.slice(77, 176));
    expect(ranges).toEqual(["bytes=0-1"]);
    expect(sent()).toBeLessThan(size + 10_000);
  });

  it.each(["ignores ranges", "cuts the compressed bytes"])("is decoded if a server with gzip %s", async (kind) => {
    const coded = gzipSync(content);
    const { files } = await serve((request, response) => {
      const headers = { "Content-Encoding": "gzip" };
      const range = kind === "ignores ranges" ? null : rangeOf(request);
      if (!range) return send(response, 200, headers, coded);
      const [from, to] = range;
      const part = { ...headers, "Content-Range": `bytes ${from}-${to}/${coded.length}` };
      send(response, 206, part, coded.subarray(from, to + 1));
    });
    const source = await files.open("data");
    expect(source.size).toBe(size);
    expect(await source.read(size - 9, 9)).toEqual(content.slice(size - 9));
  });

  it.each([0, 1, 2, 3])("may have %i bytes", async (bytes) => {
    const { files } = await serve(sirv(folder(content.slice(0, bytes)), { dev: true }) as RequestListener);
    const source = await files.open("data");
    expect(source.size).toBe(bytes);
    expect(await source.read(0, bytes)).toEqual(content.slice(0, bytes));
  });

  it("that ends before its size is refused", async () => {
    const headers = { "Content-Range": `bytes 0-${size - 1}/${size}`, "Content-Length": String(size) };
    const { files } = await serve((_, response) => {
      response.writeHead(206, headers).write(content.subarray(0, 1000));
      setTimeout(() => response.destroy(), 20);
    });
    await expect(files.open("data")).rejects.toThrow(/127\.0\.0\.1:\d+\/data broke off \(.*\); load it again/);
  });
});

describe("the first response to a file", () => {
  /** Opens a file of a server that sends `sent` of `size` bytes at first. Returns the bytes, and the ranges. */
  async function opened(sent: number, size: number) {
    const ranges: (string | null)[] = [];
    const bytes = Uint8Array.from({ length: size }, (_, i) => i);
    const fetch = async (_: unknown, init?: RequestInit) => {
      const range = new Headers(init?.headers).get("Range");
      const [from, to] = (/(\d+)-(\d+)/.exec(range ?? "") ?? []).slice(1).map(Number);
      const end = ranges.push(range) === 1 ? sent : to + 1;
      const headers = { "Content-Range": `bytes ${from}-${end - 1}/${size}` };
      return new Response(bytes.slice(from, end), { status: 206, headers });
    };
    const source = await urlFiles("http://host/", { fetch: fetch as typeof globalThis.fetch }).open("a");
    return { bytes: [...(await source.read(0, Math.min(size, 3)))], ranges };
  }

  it("is used if it has the whole file, of more than the two bytes that were asked for", async () => {
    expect(await opened(3, 3)).toEqual({ bytes: [0, 1, 2], ranges: ["bytes=0-1"] });
    expect(await opened(2, 2)).toEqual({ bytes: [0, 1], ranges: ["bytes=0-1", "bytes=0-1"] });
    expect(await opened(4, 100)).toEqual({ bytes: [0, 1, 2], ranges: ["bytes=0-1", "bytes=0-2"] });
  });
});

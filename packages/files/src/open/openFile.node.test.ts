import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openFile } from "./openFile.ts";

const content = Uint8Array.from({ length: 100 }, (_, i) => i);
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "lowrank-"));
  await writeFile(join(folder, "a b.bin"), content);
});
afterAll(() => rm(folder, { recursive: true }));

test("by path and by file: URL", async () => {
  const path = join(folder, "a b.bin");
  for (const file of [path, pathToFileURL(path), pathToFileURL(path).href]) {
    const source = await openFile(file);
    expect(source.size).toBe(100);
    expect(Array.from(await source.read(97, 3))).toEqual([97, 98, 99]);
  }
  await expect(openFile(join(folder, "c.bin"))).rejects.toThrow(`folder ${folder} has no c.bin (it holds a b.bin)`);
});

test("by address, query and all", async () => {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(`${request.url} ${request.headers.range}`);
    const [, from, to] = /(\d+)-(\d+)/.exec(request.headers.range ?? "") as unknown as [string, string, string];
    response.writeHead(206, { "Content-Range": `bytes ${from}-${to}/100` });
    response.end(content.subarray(Number(from), Number(to) + 1));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    const { port } = server.address() as AddressInfo;
    const source = await openFile(`http://127.0.0.1:${port}/models/x.gguf?download=true`);
    expect(Array.from(await source.read(10, 2))).toEqual([10, 11]);
    expect(asked).toEqual(["/models/x.gguf?download=true bytes=0-1", "/models/x.gguf?download=true bytes=10-11"]);
  } finally {
    server.close();
  }
});

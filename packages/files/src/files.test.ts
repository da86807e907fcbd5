import { describe, expect, test } from "vitest";
import { memoryFiles } from "./memoryFiles.ts";
import { filesCases } from "./testing/filesCases.ts";
import { urlFiles } from "./urlFiles.ts";

const content = Uint8Array.from({ length: 100 }, (_, i) => i);

describe("memoryFiles", () => {
  for (const { name, run } of filesCases(async () => memoryFiles())) test(name, run);

  test("a folder with a GGUF file in place of weights says what to load", async () => {
    const files = memoryFiles({ "config.json": "{}", "tiny.Q4_1.gguf": new Uint8Array(4) });
    const advice = "to load a GGUF file give its own path, which ends in tiny.Q4_1.gguf";
    await expect(files.open("model.safetensors")).rejects.toThrow(advice);
    await expect(files.open("tokenizer.json")).rejects.not.toThrow(advice);
  });

  test("leaves what it was given as it is", async () => {
    const given = new Map([["a", "x"]]);
    const files = memoryFiles(given);
    await files.write(new Map([["a", "y"]]));
    expect([await files.readText("a"), given.get("a")]).toEqual(["y", "x"]);
  });

  test("bytes, text and blobs", async () => {
    const files = memoryFiles({ bytes: content, text: "é", blob: new Blob([content]) });
    for (const name of ["bytes", "blob"]) {
      const source = await files.open(name);
      expect(source.size).toBe(100);
      expect(Array.from(await source.read(10, 3))).toEqual([10, 11, 12]);
    }
    expect(await files.readText("text")).toBe("é");
    expect((await files.open("text")).size).toBe(2);
    expect(await files.has("other")).toBe(false);
    await expect(files.readText("other")).rejects.toThrow(
      "the files in memory has no other (it holds blob, bytes, text)",
    );
  });

  test("a Map", async () => {
    const files = memoryFiles(new Map([["a", "x"]]), "mine");
    expect(await files.readText("a")).toBe("x");
    await expect(files.open("b")).rejects.toThrow("mine has no b (it holds a)");
  });
});

describe("urlFiles", () => {
  /** A server of one file, `data`. */
  function server(options: { ranges?: boolean; expose?: boolean } = {}) {
    const { ranges = true, expose = true } = options;
    const asked: string[] = [];
    const fetch = async (url: string | URL | Request, init?: RequestInit) => {
      const range = ranges ? new Headers(init?.headers).get("Range") : null;
      asked.push(`${init?.method ?? "GET"} ${url} ${range ?? ""}`.trim());
      if (String(url).endsWith("/broken")) return new Response(null, { status: 500, statusText: "Broken" });
      if (!String(url).endsWith("/data")) return new Response(null, { status: 404, statusText: "Not Found" });
      if (!range) return new Response(content);
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(range) as unknown as [string, string, string];
      const headers: Record<string, string> = expose ? { "Content-Range": `bytes ${from}-${to}/100` } : {};
      return new Response(content.slice(Number(from), Number(to) + 1), { status: 206, headers });
    };
    return { asked, files: urlFiles("https://host/model", { fetch, headers: { Authorization: "x" } }) };
  }

  test("a page in the place of a file is none, as Vite's server answers", async () => {
    const fetch = async () =>
      new Response("<!doctype html>", { headers: { "Content-Type": "text/html; charset=utf-8" } });
    const files = urlFiles("https://host/model", { fetch });
    expect(await files.has("generation_config.json")).toBe(false);
    expect(await files.has("index.html")).toBe(true);
    for (const read of [files.readText("config.json"), files.open("config.json")]) {
      await expect(read).rejects.toThrow("https://host/model/config.json: the server answered with a page");
    }
  });

  test("reads parts", async () => {
    const { files, asked } = server();
    const source = await files.open("data");
    expect(source.size).toBe(100);
    expect(Array.from(await source.read(50, 2))).toEqual([50, 51]);
    expect((await source.read(50, 0)).length).toBe(0);
    expect(asked).toEqual(["GET https://host/model/data bytes=0-0", "GET https://host/model/data bytes=50-51"]);
    await expect(source.read(99, 2)).rejects.toThrow("data: the server sent 1 bytes from 99; 2 were asked for");
  });

  test("takes the whole file from a server without ranges", async () => {
    const { files, asked } = server({ ranges: false });
    const source = await files.open("data");
    expect(Array.from(await source.read(50, 2))).toEqual([50, 51]);
    expect(asked).toEqual(["GET https://host/model/data"]);
  });

  test("a missing file is no; any other failure is an error", async () => {
    const { files } = server();
    expect(await files.has("data")).toBe(true);
    expect(await files.has("other")).toBe(false);
    await expect(files.has("broken")).rejects.toThrow("https://host/model/broken: 500 Broken");
    await expect(files.readText("other")).rejects.toThrow("https://host/model/other: 404 Not Found");
    await expect(files.open("other")).rejects.toThrow("404");
    await expect(server({ expose: false }).files.open("data")).rejects.toThrow("Access-Control-Expose-Headers");
  });
});

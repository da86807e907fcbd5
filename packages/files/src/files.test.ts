import { describe, expect, test } from "vitest";
import { openFiles } from "./open/openFiles.ts";
import { memoryFiles } from "./places/memoryFiles.ts";
import { urlFiles } from "./places/urlFiles.ts";
import { filesCases } from "./testing/filesCases.ts";

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
  /** Returns a server with one file, `data`. */
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
      await expect(read).rejects.toThrow(
        "https://host/model/config.json: the server answered with an HTML page, as servers do for a missing file; check the address",
      );
    }
  });

  test("reads parts", async () => {
    const { files, asked } = server();
    const source = await files.open("data");
    expect(source.size).toBe(100);
    expect(Array.from(await source.read(50, 2))).toEqual([50, 51]);
    expect((await source.read(50, 0)).length).toBe(0);
    expect(asked).toEqual(["GET https://host/model/data bytes=0-1", "GET https://host/model/data bytes=50-51"]);
    await expect(source.read(99, 2)).rejects.toThrow("data: the server sent 1 bytes from position 99; expected 2");
  });

  /** Opens a file of 100 bytes; after the first request, `answer` returns its parts. */
  async function faulty(answer: (from: number, to: number, nth: number) => [BodyInit | null, ResponseInit]) {
    let count = 0;
    const fetch = async (_: string | URL | Request, init?: RequestInit) => {
      const range = new Headers(init?.headers).get("Range") as string;
      const [, from, to] = /bytes=(\d+)-(\d+)/.exec(range) as unknown as [string, string, string];
      const [body, { headers, ...others }] = count++ === 0 ? [content.slice(0, 2), {}] : answer(+from, +to, count - 1);
      const told = { "Content-Range": `bytes ${from}-${to}/100`, ETag: '"a"', ...headers };
      return new Response(body, { status: 206, headers: told, ...others });
    };
    return urlFiles("https://host/model", { fetch }).open("data");
  }

  const broken = (bytes: Uint8Array<ArrayBuffer>) => {
    let sent = bytes.length === 0;
    return new ReadableStream({
      pull(controller) {
        if (sent) controller.error(new TypeError("terminated", { cause: { code: "ECONNRESET" } }));
        else controller.enqueue(bytes);
        sent = true;
      },
    });
  };

  test.each([
    ["another part", { "Content-Range": "bytes 0-9/100" }, 'sent "bytes 0-9/100"; expected bytes 50-59/100'],
    [
      "a file of another size",
      { "Content-Range": "bytes 50-59/90" },
      'sent "bytes 50-59/90"; expected bytes 50-59/100',
    ],
  ])("refuses %s", async (_, headers, message) => {
    const source = await faulty((from, to) => [content.slice(from, to + 1), { headers }]);
    await expect(source.read(50, 10)).rejects.toThrow(`https://host/model/data: the server ${message}`);
  });

  test("refuses a file that changes between two parts", async () => {
    const source = await faulty((from, to, nth) => [
      content.slice(from, to + 1),
      { headers: { ETag: nth < 3 ? '"a"' : '"b"' } },
    ]);
    await source.read(0, 10);
    await source.read(10, 10);
    await expect(source.read(20, 10)).rejects.toThrow(
      'data changed on the server while it was read: its ETag was "a" and is "b"; load it again',
    );
  });

  test.each([200, 403, 416])("a Range request that is answered by %i is an error", async (status) => {
    const source = await faulty(() => [content, { status }]);
    await expect(source.read(50, 10)).rejects.toThrow(`the server answered ${status} to a Range request; expected 206`);
  });

  test("goes on where a connection breaks, and says so where it cannot", async () => {
    const asked: number[] = [];
    const source = await faulty((from, to, nth) => {
      asked.push(from);
      return [nth === 1 ? broken(content.slice(from, from + 4)) : content.slice(from, to + 1), {}];
    });
    expect(Array.from(await source.read(50, 10))).toEqual(Array.from(content.slice(50, 60)));
    const room = new Uint8Array(10);
    await source.readInto?.(70, room);
    expect([room, asked]).toEqual([content.slice(70, 80), [50, 54, 70]]);
    const never = await faulty((_from, _to, nth) => [broken(content.slice(0, nth === 1 ? 4 : 0)), {}]);
    await expect(never.read(50, 10)).rejects.toThrow("broke off after 54 of 100 bytes (ECONNRESET); load it again");
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

describe("openFiles", () => {
  test("opens addresses, and returns files as they are", async () => {
    const files = memoryFiles({ "config.json": "{}" });
    expect(await openFiles(files)).toBe(files);
    for (const address of ["https://host/model/", "HTTP://host/model/", new URL("https://host/model/")]) {
      expect((await openFiles(address)).label).toBe(new URL(address).href);
    }
  });

  test.each<[unknown, string]>([
    [null, "null"],
    [{}, "an object of another kind"],
    [7, "7"],
    [undefined, "undefined"],
  ])("refuses %j", async (place, shown) => {
    await expect(openFiles(place as string)).rejects.toThrow(`and ${shown} was given`);
  });
});

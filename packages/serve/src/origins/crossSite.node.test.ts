import { createHash } from "node:crypto";
import { chromiumFlags, findChromium } from "@lowrank/test-support/chromium";
import { type Browser, chromium, type Page } from "playwright";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createApp } from "../http/createApp.ts";
import { listening } from "../testing/listening.ts";
import { post } from "../testing/post.ts";
import { ScriptedEngine } from "../testing/scriptedEngine.ts";

const chat = { model: "test-base", messages: [{ role: "user", content: "Say hello" }] };
const load = { lora_name: "evil", lora_path: "somewhere" };

/** Returns the status and the code of an answer. */
async function outcome(response: Response): Promise<string> {
  const code = response.ok ? "" : ` ${(await response.json()).error.code}`;
  return `${response.status}${code}`;
}

describe("a server without keys", () => {
  const engine = new ScriptedEngine();
  const app = createApp({ engine });
  const at = (host: string, others: Record<string, string> = {}) => ({ host, ...others });

  test.each([
    ["127.0.0.1:8000"],
    ["localhost:8000"],
    ["LOCALHOST"],
    ["app.localhost"],
    ["localhost."],
    ["[::1]:8000"],
    ["192.168.0.7:8000"],
  ])("is reached at %s without an Origin", async (host) => {
    expect((await post(app, "/v1/chat/completions", chat, at(host))).status).toBe(200);
    expect((await app.request("/v1/models", { headers: at(host) })).status).toBe(200);
  });

  test.each([
    ["evil.example"],
    ["127.0.0.1.evil.example"],
    ["localhost.evil.example"],
    ["evil.example:8000"],
    ["1.2.3.4@evil.example"],
    ["evil.example/localhost"],
    [""],
  ])("refuses the Host %j for every method", async (host) => {
    const own = at(host, { origin: `http://${host}` });
    expect(await outcome(await post(app, "/v1/load_lora_adapter", load, own))).toBe("403 host_not_allowed");
    for (const path of ["/", "/v1/models", "/stats", "/metrics", "/openapi.json", "/health"]) {
      expect(await outcome(await app.request(path, { headers: at(host) }))).toBe("403 host_not_allowed");
    }
    expect(engine.loads).toEqual([]);
  });

  test.each([
    ["https://evil.example"],
    ["null"],
    ["http://127.0.0.1:3000"],
    ["http://localhost:8000"],
    ["http://127.0.0.1:8000.evil.example"],
    ["file://"],
    ["chrome-extension://abc"],
  ])("refuses the Origin %s", async (origin) => {
    const headers = at("127.0.0.1:8000", { origin });
    expect(await outcome(await post(app, "/v1/chat/completions", chat, headers))).toBe("403 cross_origin_request");
    expect(await outcome(await app.request("/v1/models", { headers }))).toBe("403 cross_origin_request");
  });

  test("answers its own page", async () => {
    const own = { origin: "http://127.0.0.1:8000", "sec-fetch-site": "same-origin" };
    expect((await post(app, "/v1/chat/completions", chat, at("127.0.0.1:8000", own))).status).toBe(200);
    const behindTls = at("127.0.0.1", { origin: "https://127.0.0.1" });
    expect((await post(app, "/v1/chat/completions", chat, behindTls)).status).toBe(200);
  });

  test.each(["cross-site", "same-site"])("refuses a POST of a %s page that sends no Origin", async (site) => {
    const headers = at("127.0.0.1:8000", { "sec-fetch-site": site });
    expect(await outcome(await post(app, "/v1/chat/completions", chat, headers))).toBe("403 cross_origin_request");
    for (const method of ["POST", "DELETE"]) {
      const response = await app.request("/v1/files/file-1", { method, headers });
      expect(await outcome(response)).toBe("403 cross_origin_request");
    }
    // A link to the server's page.
    expect((await app.request("/", { headers })).status).toBe(200);
  });
});

describe("allowedHosts", () => {
  const send = (allowedHosts: string[], host: string, origin?: string) => {
    const app = createApp({ engine: new ScriptedEngine(), allowedHosts });
    return post(app, "/v1/chat/completions", chat, { host, ...(origin && { origin }) }).then(outcome);
  };

  test("names a proxy, with its subdomains or not", async () => {
    expect(await send(["llm.example"], "llm.example:8443", "https://llm.example:8443")).toBe("200");
    expect(await send(["llm.example"], "sub.llm.example")).toBe("403 host_not_allowed");
    expect(await send([".llm.example"], "sub.llm.example")).toBe("200");
    expect(await send([".llm.example"], "llm.example")).toBe("200");
    expect(await send([".llm.example"], "evilllm.example")).toBe("403 host_not_allowed");
  });

  test("accepts pages of a listed proxy that rewrites the Host", async () => {
    expect(await send(["llm.example"], "127.0.0.1:8000", "https://llm.example")).toBe("200");
    expect(await send(["llm.example"], "127.0.0.1:8000", "https://evil.example")).toBe("403 cross_origin_request");
  });

  test("* allows every Host and no other origin", async () => {
    expect(await send(["*"], "anything.example")).toBe("200");
    expect(await send(["*"], "a.example", "http://evil.example")).toBe("403 cross_origin_request");
  });

  test.each(["http://llm.example", "llm.example:80", "a b", "", "*.example.com"])("refuses the entry %j", (entry) => {
    expect(() => createApp({ engine: new ScriptedEngine(), allowedHosts: [entry] })).toThrow("is not a host name");
  });
});

test("a server with keys checks hosts only if they are listed", async () => {
  const keys = [{ id: "me", sha256: createHash("sha256").update("my-key").digest("hex") }];
  const headers = { host: "any.example", origin: "http://other.example", authorization: "Bearer my-key" };
  const open = createApp({ engine: new ScriptedEngine(), keys });
  expect((await post(open, "/v1/chat/completions", chat, headers)).status).toBe(200);
  const listed = createApp({ engine: new ScriptedEngine(), keys, allowedHosts: ["my.example"] });
  expect(await outcome(await post(listed, "/v1/chat/completions", chat, headers))).toBe("403 host_not_allowed");
});

const executablePath = findChromium();

describe.skipIf(executablePath === undefined)("in Chromium", () => {
  let browser: Browser;
  let page: Page;
  let server: Awaited<ReturnType<typeof listening>>;
  let other: Awaited<ReturnType<typeof listening>>;
  const engine = new ScriptedEngine();

  beforeAll(async () => {
    // evil.example resolves to the server's address, as with DNS rebinding.
    const rebinding = "--host-resolver-rules=MAP evil.example 127.0.0.1";
    browser = await chromium.launch({ executablePath, args: [...chromiumFlags, rebinding] });
    [server, other] = await Promise.all([listening({ engine }), listening({ engine: new ScriptedEngine() })]);
    page = await browser.newPage();
  });
  afterAll(async () => {
    await browser.close();
    await Promise.all([server.close(), other.close()]);
  });

  /** Sends requests that a page may send without a preflight, and requests that need one. */
  const attack = async (target: string) => {
    const form = new FormData();
    form.set("purpose", "fine-tune");
    const json = { method: "POST", headers: { "content-type": "application/json" } };
    const body = JSON.stringify({ lora_name: "evil", lora_path: "somewhere" });
    const statuses = [
      fetch(`${target}/v1/files`, { method: "POST", body: form, mode: "no-cors" }),
      fetch(`${target}/v1/fine_tuning/jobs/ftjob-1/cancel`, { method: "POST", mode: "no-cors" }),
      fetch(`${target}/v1/load_lora_adapter`, { ...json, body }),
      fetch(`${target}/v1/models`),
    ].map((answer) =>
      answer.then(
        (response) => response.status,
        () => -1,
      ),
    );
    return Promise.all(statuses);
  };

  test("a page of another port reads and changes nothing", async () => {
    await page.goto(`${other.url}/v1/models`);
    // An opaque answer has status 0; a failed preflight rejects.
    expect(await page.evaluate(attack, server.url)).toEqual([0, 0, -1, -1]);
    expect(engine.loads).toEqual([]);
  });

  test("a page whose host name was rebound to the server reads and changes nothing", async () => {
    const rebound = `http://evil.example:${server.port}`;
    await page.goto(`${rebound}/v1/models`);
    expect(await page.evaluate(attack, rebound)).toEqual([403, 403, 403, 403]);
    expect(engine.loads).toEqual([]);
  });

  test("the server's own page chats", async () => {
    await page.goto(server.url);
    await page.fill("#prompt", "hi");
    await page.press("#prompt", "Enter");
    await expect.poll(() => page.locator("#left-turns .assistant").allTextContents()).toEqual(["Hello there!"]);
  });
});

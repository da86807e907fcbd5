import { describe, expect, test } from "vitest";
import { allowedHosts, crossSiteProblem } from "./crossSiteProblem.ts";

describe("hosts", () => {
  const hosts = allowedHosts(["LLM.example.com.", ".team.org", "[::1]"]);

  test.each([
    ["llm.example.com", true, true],
    ["a.llm.example.com", false, false],
    ["team.org", true, true],
    ["a.b.team.org", true, true],
    ["myteam.org", false, false],
    ["localhost", true, false],
    ["a.localhost", true, false],
    ["notlocalhost", false, false],
    ["127.0.0.1", true, false],
    ["[fe80::1]", true, false],
    ["1.2.3", false, false],
  ])("%s", (name, reached, listed) => {
    expect([hosts.reachedAt(name), hosts.lists(name)]).toEqual([reached, listed]);
  });

  test("may be all, and have neither scheme nor port", () => {
    const all = allowedHosts(["*"]);
    expect([all.reachedAt("any.org"), all.lists("any.org")]).toEqual([true, false]);
    for (const bad of ["https://a.org", "a.org:80", "", "a..b"]) {
      expect(() => allowedHosts([bad])).toThrow(`allowedHosts: "${bad}" is not a host name`);
    }
  });

  test.each<[Record<string, string>, string, string | null]>([
    [{ host: "localhost:8000" }, "POST", null],
    [{ host: "llm.example.com" }, "POST", null],
    [{ host: "evil.org" }, "GET", "host_not_allowed"],
    [{ host: "a b" }, "GET", "host_not_allowed"],
    [{ host: "localhost:8000", origin: "http://localhost:8000" }, "POST", null],
    [{ host: "localhost", origin: "https://localhost" }, "POST", null],
    [{ host: "localhost:8000", origin: "http://localhost:9000" }, "GET", "cross_origin_request"],
    [{ host: "localhost", origin: "https://llm.example.com:8443" }, "POST", null],
    [{ host: "localhost", origin: "null" }, "POST", "cross_origin_request"],
    [{ host: "localhost", "sec-fetch-site": "cross-site" }, "POST", "cross_origin_request"],
    [{ host: "localhost", "sec-fetch-site": "same-site" }, "DELETE", "cross_origin_request"],
    [{ host: "localhost", "sec-fetch-site": "cross-site" }, "GET", null],
    [{ host: "localhost", "sec-fetch-site": "same-origin" }, "POST", null],
    [{ host: "localhost", origin: "http://localhost", "sec-fetch-site": "cross-site" }, "POST", null],
  ])("a request with %j by %s has the problem %j", (headers, method, code) => {
    const get = (name: string) => headers[name] ?? null;
    const asked = { url: "http://localhost/", method, headers: { get } } as unknown as Request;
    const problem = crossSiteProblem(asked, hosts);
    expect(problem?.code ?? null).toBe(code);
    if (headers.host === "evil.org") expect(problem?.message).toContain(" with --allowed-hosts evil.org (allowedHosts");
    if (headers.host === "a b") expect(problem?.message).toContain("start the server with --api-key-file");
  });
});

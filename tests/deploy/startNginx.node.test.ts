import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { localNginxConfig, readAccessLog } from "./startNginx.ts";

const published = readFileSync(join(import.meta.dirname, "../../docs/deploy/nginx.conf"), "utf8");
const local = { port: 5000, replicas: [1001, 1002, 1003], accessLog: "/a", errorLog: "/e" };

test("the published configuration differs in addresses and logs alone", () => {
  const before = published.split("\n");
  const after = localNginxConfig(published, local).split("\n");
  expect(after.length).toBe(before.length);
  const changed = after.filter((line, i) => line !== before[i]).map((line) => line.trim());
  const servers = [1001, 1002, 1003].map((port) => `server 127.0.0.1:${port} max_fails=1 fail_timeout=5s;`);
  expect(changed).toEqual([
    "error_log /e warn;",
    ...servers,
    ...servers,
    "access_log /a replicas;",
    "listen 127.0.0.1:5000;",
  ]);
});

test("a replica too few, and a line that is not there, are errors", () => {
  expect(() => localNginxConfig(published, { ...local, replicas: [1, 2] })).toThrow("names replica-3; only 2");
  expect(() => localNginxConfig("http {}", local)).toThrow("nginx.conf has no line like");
});

test("lines of the log tell which replicas were tried", () => {
  const log = [
    '2026-01-01T00:00:00+00:00 POST /v1/completions 200 0.010 adapter="a/b" replica=127.0.0.1:1001, 127.0.0.1:1003 answered=502, 200',
    '2026-01-01T00:00:00+00:00 GET /metrics 404 0.000 adapter="-" replica=- answered=-',
  ];
  expect(readAccessLog(log.join("\n"))).toEqual([
    { path: "/v1/completions", status: 200, adapter: "a/b", replicas: [1001, 1003] },
    { path: "/metrics", status: 404, adapter: "", replicas: [] },
  ]);
});

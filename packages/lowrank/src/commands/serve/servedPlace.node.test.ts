import { expect, test } from "vitest";
import { adaptersText, hostsOf, isLoopback } from "./runServer.ts";

test("adapters are counted, unless their store is not available yet", () => {
  expect([null, 0, 1, 2].map(adaptersText)).toEqual(["no adapters yet", "0 adapters", "1 adapter", "2 adapters"]);
});

test("hosts are those of the settings, and a name to listen on; keys alone permit any", () => {
  const keys = [{ id: "a", sha256: "" }];
  expect(hostsOf({ host: "127.0.0.1" })).toEqual([]);
  expect(hostsOf({ host: "localhost" })).toEqual(["localhost"]);
  expect(hostsOf({ host: "fe80::1" })).toEqual([]);
  expect(hostsOf({ host: "LLM", "allowed-hosts": ["a.example"] })).toEqual(["a.example", "LLM"]);
  expect(hostsOf({ host: "LLM", "api-keys": keys })).toBe(undefined);
  expect(hostsOf({ host: "LLM", "api-keys": keys, "allowed-hosts": [] })).toEqual(["LLM"]);
});

test("loopback addresses are localhost, ::1 and 127.*", () => {
  for (const host of ["localhost", "::1", "127.0.0.1", "127.9.9.9"]) expect(isLoopback(host), host).toBe(true);
  for (const host of ["0.0.0.0", "::", "10.127.0.1", "1270.0.0.1", "localhost.example"]) {
    expect(isLoopback(host), host).toBe(false);
  }
});

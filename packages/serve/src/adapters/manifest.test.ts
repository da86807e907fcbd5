import { describe, expect, test } from "vitest";
import { isModelOf, isReserved, mayUse, nameFor, privateName } from "../access/mayUse.ts";
import { type Grant, rightsTo, tenantsOf } from "../access/rights.ts";
import type { Caller } from "../api/caller.ts";
import { entryOf, type Manifest, manifestText, parseManifest, withEntry } from "./manifest.ts";

const version = "a".repeat(64);
const entry = { path: "p", version, method: "LORA" };

describe("a manifest", () => {
  const parse = (json: unknown) => parseManifest(JSON.stringify(json));

  test("is read as it was written", () => {
    const manifest: Manifest = {
      discover: true,
      adapters: {
        ...{ a: { ...entry, pinned: true, owner: "o", tenants: ["o", "t"] }, b: entry },
        off: null,
      },
      unnamed: [{ path: "p", version, owner: "o", tenants: [] }],
    };
    expect(parseManifest(manifestText(manifest))).toEqual(manifest);
    expect(parseManifest(manifestText({ adapters: {} }))).toEqual({ adapters: {} });
    expect(parse({ discover: false, adapters: {}, unnamed: [] })).toEqual({
      discover: false,
      adapters: {},
      unnamed: [],
    });
    expect(Object.keys(parse({ adapters: { x: entry } }).adapters.x!)).toEqual(["path", "version", "method"]);
  });

  test("has an entry a line, by name", () => {
    const line = JSON.stringify(entry);
    const grant = JSON.stringify({ path: "p", version });
    expect(manifestText({ adapters: { b: entry, a: null } })).toBe(
      `{\n  "adapters": {\n    "a": null,\n    "b": ${line}\n  }\n}\n`,
    );
    expect(manifestText({ discover: false, adapters: { b: entry }, unnamed: [{ path: "p", version }] })).toBe(
      `{\n  "discover": false,\n  "adapters": {\n    "b": ${line}\n  },\n  "unnamed": [\n    ${grant}\n  ]\n}\n`,
    );
    expect(manifestText({ adapters: {}, unnamed: [] })).toBe('{\n  "adapters": {\n\n  }\n}\n');
  });

  test.each([
    [[], "the manifest is []; expected an object"],
    [{}, "adapters is undefined; expected an object"],
    [{ adapters: null }, "adapters is null; expected an object"],
    [
      { adapters: {}, other: 1 },
      "the manifest has the unknown field other; known fields are discover, adapters, unnamed",
    ],
    [{ adapters: {}, discover: 1 }, "discover is 1; expected true or false"],
    [{ adapters: { a: 1 } }, 'adapters["a"] is 1; expected an object'],
    [
      { adapters: { a: { ...entry, more: 1 } } },
      'adapters["a"] has the unknown field more; known fields are path, version, method',
    ],
    [{ adapters: { a: { ...entry, path: "" } } }, 'adapters["a"].path is ""; expected a text'],
    [{ adapters: { a: { ...entry, method: 1 } } }, 'adapters["a"].method is 1; expected a text'],
    [{ adapters: { a: { ...entry, version: "a".repeat(63) } } }, "expected 64 hexadecimal digits"],
    [{ adapters: { a: { ...entry, version: "g".repeat(64) } } }, "expected 64 hexadecimal digits"],
    [{ adapters: { a: { ...entry, version: 1 } } }, 'adapters["a"].version is 1; expected 64'],
    [{ adapters: { a: { ...entry, pinned: "yes" } } }, 'adapters["a"].pinned is "yes"; expected true or false'],
    [{ adapters: { a: { ...entry, owner: "" } } }, 'adapters["a"].owner is ""; expected a text'],
    [{ adapters: { a: { ...entry, tenants: "t" } } }, 'adapters["a"].tenants is "t"; expected a list of texts'],
    [
      { adapters: { a: { ...entry, tenants: ["t", 1] } } },
      'adapters["a"].tenants is ["t",1]; expected a list of texts',
    ],
    [{ adapters: {}, unnamed: {} }, "unnamed is {}; expected a list"],
    [{ adapters: {}, unnamed: [null] }, "unnamed[0] is null; expected an object"],
    [
      { adapters: {}, unnamed: [{ path: "p", version, method: "LORA" }] },
      "unnamed[0] has the unknown field method; known fields are path",
    ],
  ])("%j is refused by its field", (json, message) => {
    expect(() => parse(json)).toThrow(message);
  });

  test("names may be those of every object's properties", () => {
    const manifest = parseManifest(`{"adapters": {"__proto__": ${JSON.stringify(entry)}}}`);
    expect(entryOf(manifest, "__proto__")).toEqual(entry);
    expect(entryOf(manifest, "toString")).toBe(undefined);
    expect(Object.keys(withEntry({ adapters: { a: null, b: null } }, "a", entry).adapters)).toEqual(["b", "a"]);
    expect(withEntry({ adapters: { a: null, b: null } }, "a", undefined)).toEqual({ adapters: { b: null } });
    expect(withEntry({ adapters: {} }, "a", null)).toEqual({ adapters: { a: null } });
  });
});

describe("rights", () => {
  const of = (...grants: Grant[]) => ({ adapters: Object.fromEntries(grants.map((grant, i) => [`n${i}`, grant])) });
  const grant = (path: string, digit: string, tenants?: string[], owner?: string): Grant => {
    return { path, version: digit.repeat(64), ...(tenants && { tenants }), ...(owner && { owner }) };
  };

  test("come from all names of a folder: of any tenant, and of all of them", () => {
    const manifest = of(grant("p", "1", ["a", "b"], "a"), grant("p", "1", ["b", "c"], "a"));
    expect(rightsTo(manifest, { path: "p" })).toEqual({ owner: "a", tenants: ["a", "b", "c"], common: ["b"] });
    expect(rightsTo(of(grant("p", "1", ["a"], "a"), grant("p", "1", ["b"], "b")), { path: "p" })).toEqual({
      ...{ tenants: ["a", "b"], common: [] },
    });
    expect(rightsTo(of(grant("p", "1", ["a"])), { path: "p" })).toEqual({ tenants: ["a"], common: ["a"] });
    expect(rightsTo(of(), { path: "p", version: "1" })).toEqual({});
  });

  test("of a copy are those of its version, and of a folder with a name its own", () => {
    const manifest = of(grant("p", "1", ["a"]), grant("q", "1", ["b"]));
    expect(rightsTo(manifest, { path: "r", version: "1".repeat(64) }).tenants).toEqual(["a", "b"]);
    expect(rightsTo(manifest, { path: "q", version: "1".repeat(64) }).tenants).toEqual(["b"]);
    expect(rightsTo(manifest, { version: "1".repeat(64) }).tenants).toEqual(["a", "b"]);
    expect(rightsTo(manifest, { path: "r", version: "2".repeat(64) })).toEqual({});
    expect(rightsTo({ adapters: {}, unnamed: [grant("p", "1", ["a"])] }, { path: "p" }).tenants).toEqual(["a"]);
    expect(rightsTo({ adapters: { off: null } }, { path: "p" })).toEqual({});
  });

  test("are limited by a name with tenants, whatever other names of the folder or the version list", () => {
    const manifest = of(grant("p", "1"), grant("p", "2", ["a"]), grant("q", "2"));
    expect(rightsTo(manifest, { path: "p", version: "1".repeat(64) }).tenants).toEqual(["a"]);
    expect(rightsTo(manifest, { path: "p" }).tenants).toEqual(["a"]);
    expect(rightsTo(manifest, { path: "q", version: "2".repeat(64) }).tenants).toEqual(["a"]);
    expect(rightsTo(manifest, { path: "q", version: "1".repeat(64) })).toEqual({});
    expect(tenantsOf(manifest, grant("p", "1"))).toEqual(["a"]);
  });

  test("to folders of jobs are nobody's but those that names give", () => {
    expect(rightsTo(of(), { path: ".fine-tuning/x" })).toEqual({ tenants: [], common: [] });
    expect(rightsTo(of(grant(".fine-tuning/x", "1")), { path: ".fine-tuning/x" }).tenants).toEqual([]);
    const manifest = of(grant(".fine-tuning/x", "1", ["a"]), grant(".fine-tuning/x", "1"));
    expect(tenantsOf(manifest, grant(".fine-tuning/x", "1"))).toEqual(["a"]);
    expect(tenantsOf(manifest, grant(".fine-tuning/x", "1", ["b"]))).toEqual([]);
    expect(tenantsOf(manifest, grant("p", "2"))).toBe(undefined);
  });
});

describe("a caller", () => {
  const caller = (more: Partial<Caller> = {}): Caller => {
    return { tenant: "t", operator: false, admin: false, base: true, adapters: ["a/*", "*/z", "x.y"], ...more };
  };

  test("uses what its scope covers", () => {
    const names = ["a/", "a/b", "a/b/c", "xa/b", "b/z", "/z", "b/zz", "x.y", "xxy", "A/b", "a\nb/z"];
    expect(names.filter((name) => mayUse(caller(), { name }))).toEqual([
      "a/",
      "a/b",
      "a/b/c",
      "b/z",
      "/z",
      "x.y",
      "a\nb/z",
    ]);
    expect(mayUse(caller({ adapters: ["*"] }), { name: "anything" })).toBe(true);
    expect(mayUse(caller({ adapters: ["*"] }), { name: "tenant:t:x" })).toBe(false);
    expect(mayUse(caller({ adapters: [] }), { name: "a/b" })).toBe(false);
  });

  test("uses what it owns, what has no name, and what its tenant may use", () => {
    expect(mayUse(caller(), { name: "other", owner: "t" })).toBe(true);
    expect(mayUse(caller(), { name: "other", owner: "u" })).toBe(false);
    expect(mayUse(caller(), {})).toBe(true);
    expect(mayUse(caller(), { name: "a/b", tenants: ["u", "t"] })).toBe(true);
    expect(mayUse(caller(), { name: "a/b", tenants: ["u"] })).toBe(false);
    expect(mayUse(caller(), { name: "other", owner: "t", tenants: [] })).toBe(false);
    expect(mayUse(caller(), { tenants: [] })).toBe(false);
    expect(mayUse(caller({ operator: true }), { name: "other", tenants: [] })).toBe(true);
  });

  test("uses the models of its own jobs, and their checkpoints", () => {
    for (const name of ["ft:base:t::1", "ft:org:base:t:suffix:1", "ft:base:t::1:ckpt-step-10"]) {
      expect(isModelOf("t", name), name).toBe(true);
      expect(mayUse(caller(), { name }), name).toBe(true);
    }
    for (const name of [
      "ft:base:u::1",
      "ft:t:u::1",
      "ft:base:t:1",
      "xft:base:t::1",
      "ft:base:t::",
      "ft:base:t::1:x:y",
    ]) {
      expect(isModelOf("t", name), name).toBe(false);
    }
    expect(isModelOf("a b", "ft:base:a_20_b::1")).toBe(true);
  });

  test("names its private adapters without the prefix", () => {
    expect(privateName("a b", "x")).toBe("tenant:a_20_b:x");
    expect(nameFor("a b", "tenant:a_20_b:x")).toBe("x");
    expect(nameFor("a", "tenant:a_20_b:x")).toBe("tenant:a_20_b:x");
    expect(["ft:x", "tenant:x", ".x", "a/.x"].every(isReserved)).toBe(true);
    expect(["xft:x", "a.x", "a/x."].some(isReserved)).toBe(false);
  });
});

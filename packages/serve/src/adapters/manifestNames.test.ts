import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { rightsTo } from "../access/rights.ts";
import type { Caller } from "../api/caller.ts";
import { entryOf, type Manifest, type ManifestEntry } from "./manifest.ts";
import { checkFree, isAmong, mayName, resolveEntry, withLoaded, withoutName } from "./manifestNames.ts";

const caller = (tenant: string, ...adapters: string[]): Caller => {
  return { tenant, operator: false, admin: true, base: true, adapters };
};
const acme = caller("acme", "acme/*");
const zed = caller("zed", "acme/*", "zed/*");
const operator: Caller = { ...caller("ops"), operator: true };
const version = (digit: number) => String(digit).repeat(64);
const entry = (digit: number, more: Partial<ManifestEntry> = {}): ManifestEntry => {
  return { path: `folder${digit}`, version: version(digit), method: "LORA", ...more };
};
const load = (name: string, digit: number, by: Caller | undefined, replace = false, pinned = false) => {
  return { name, ...entry(digit), pinned, replace, by };
};
const of = (adapters: Manifest["adapters"], unnamed?: Manifest["unnamed"]): Manifest => {
  return { adapters, ...(unnamed && { unnamed }) };
};
const taken = expect.objectContaining({ code: "already_loaded" });

describe("a load by the operator", () => {
  test("names a version that is open to all, without owner and tenants", () => {
    const next = withLoaded(of({}), load("x", 1, undefined));
    expect(next).toEqual(of({ x: entry(1) }));
    expect(withLoaded(of({}), load("x", 1, operator))).toEqual(next);
    expect(withLoaded(of({}), load("x", 1, operator, false, true))).toEqual(of({ x: entry(1, { pinned: true }) }));
    expect(Object.hasOwn(next.adapters.x!, "pinned")).toBe(false);
  });

  test("gives the owner of the version, and the tenants that every name of it has", () => {
    const one = entry(1, { owner: "zed", tenants: ["zed", "acme"] });
    const other = entry(1, { owner: "zed", tenants: ["zed", "eve"] });
    const { adapters } = withLoaded(of({ one, other }), load("x", 1, operator));
    expect(adapters.x).toEqual(entry(1, { owner: "zed", tenants: ["zed"] }));
  });

  test("keeps the tenants of a name that gets an open version", () => {
    const before = of({ x: entry(2, { tenants: ["acme", "eve"] }), open: entry(1) });
    expect(withLoaded(before, load("x", 1, operator, true)).adapters.x?.tenants).toEqual(["acme", "eve"]);
  });

  test("gives a name that has tenants to those that may use the version too", () => {
    const before = of({ x: entry(2, { tenants: ["acme", "eve"] }), y: entry(1, { tenants: ["eve", "zed"] }) });
    expect(withLoaded(before, load("x", 1, operator, true)).adapters.x?.tenants).toEqual(["eve"]);
  });
});

describe("a load by a tenant", () => {
  const ofOpenFolder = entry(1, { owner: "acme", tenants: ["acme"], alias: true });

  test("of an open version under a free name is open to all and belongs to the tenant", () => {
    const named = entry(1, { owner: "acme", alias: true });
    expect(withLoaded(of({}), load("acme/x", 1, acme))).toEqual(of({ "acme/x": named }));
  });

  test("of a version with tenants is private, with the version's owner", () => {
    const before = of({ other: entry(1, { owner: "zed", tenants: ["acme", "zed"] }) });
    const { adapters } = withLoaded(before, load("acme/x", 1, acme));
    expect(adapters).toEqual({
      ...before.adapters,
      "tenant:acme:acme/x": entry(1, { owner: "zed", tenants: ["acme"], alias: true }),
    });
  });

  test("keeps the tenants of a name if all of them may use the version", () => {
    const stored = { other: entry(1, { tenants: ["acme", "zed", "eve"] }) };
    const before = of({ ...stored, "acme/x": entry(2, { tenants: ["acme", "zed"] }) });
    const { adapters } = withLoaded(before, load("acme/x", 1, acme, true));
    expect(adapters["acme/x"]).toEqual(entry(1, { owner: "acme", tenants: ["acme", "zed"], alias: true }));
    expect(Object.keys(adapters)).toEqual(["other", "acme/x"]);
  });

  test("is private if a tenant of the name may not use the version", () => {
    const stored = { other: entry(1, { tenants: ["acme", "eve"] }) };
    const before = of({ ...stored, "acme/x": entry(2, { tenants: ["acme", "zed"] }) });
    const { adapters } = withLoaded(before, load("acme/x", 1, acme, true));
    expect(adapters["acme/x"]).toEqual(before.adapters["acme/x"]);
    expect(adapters["tenant:acme:acme/x"]?.tenants).toEqual(["acme"]);
  });

  test("replaces the tenant's private adapter, also by an open version", () => {
    const before = of({ "tenant:acme:acme/x": entry(2, { owner: "acme", tenants: ["acme"] }) });
    expect(() => withLoaded(before, load("acme/x", 1, acme))).toThrow(taken);
    const next = withLoaded(before, load("acme/x", 1, acme, true));
    expect(Object.keys(next.adapters)).toEqual(["tenant:acme:acme/x"]);
    expect(next.adapters["tenant:acme:acme/x"]).toEqual(ofOpenFolder);
  });

  test.each([true, false])("leaves a name alone that the tenant may not use (replace: %s)", (replace) => {
    const before = of({ "acme/x": entry(2, { tenants: ["zed"] }) });
    const next = withLoaded(before, load("acme/x", 1, acme, replace));
    expect(next.adapters).toEqual({ ...before.adapters, "tenant:acme:acme/x": ofOpenFolder });
    expect(rightsTo(next, entry(1))).toEqual({});
  });

  test("of an open folder under a name with tenants takes the folder from nobody", () => {
    const before = of({ "acme/x": entry(2, { tenants: ["acme", "zed"] }) });
    const next = withLoaded(before, load("acme/x", 1, acme, true));
    expect(rightsTo(next, entry(1))).toEqual({});
    expect(resolveEntry(next, "acme/x", acme)?.path).toBe("folder1");
    expect(resolveEntry(next, "acme/x", zed)?.path).toBe("folder1");
  });
});

test("the same load again changes nothing, and another one needs `replace`", () => {
  for (const by of [undefined, operator, acme]) {
    const once = withLoaded(of({}), load("acme/x", 1, by));
    expect(withLoaded(once, load("acme/x", 1, by))).toEqual(once);
    expect(() => withLoaded(once, load("acme/x", 2, by))).toThrow(taken);
    expect(() => withLoaded(once, load("acme/x", 1, by, false, true))).toThrow(taken);
    expect(withLoaded(once, load("acme/x", 2, by, true)).adapters["acme/x"]?.path).toBe("folder2");
  }
});

test("a name is free for a caller that may not use what it means", () => {
  const manifest = of({
    ...{ "acme/open": entry(1), "acme/zed": entry(2, { tenants: ["zed"] }), "acme/none": null },
    ...{ "tenant:acme:acme/own": entry(3, { tenants: ["acme"] }), "acme/owned": entry(4, { owner: "acme" }) },
  });
  const isFree = (name: string, by: Caller | undefined, replace = false) => {
    try {
      checkFree(manifest, name, replace, by);
      return true;
    } catch (error) {
      expect(error).toEqual(taken);
      return false;
    }
  };
  const names = ["acme/open", "acme/zed", "acme/none", "acme/own", "acme/owned", "acme/new"];
  expect(names.map((name) => isFree(name, acme))).toEqual([false, true, true, false, false, true]);
  expect(names.map((name) => isFree(name, zed))).toEqual([false, false, true, true, false, true]);
  expect(names.map((name) => isFree(name, operator))).toEqual([false, false, true, true, false, true]);
  expect(names.map((name) => isFree(name, undefined))).toEqual([false, false, true, true, false, true]);
  expect(names.every((name) => isFree(name, acme, true))).toBe(true);
});

test("a name means the tenant's own adapter first", () => {
  const manifest = of({ x: entry(1), "tenant:acme:x": entry(2), off: null });
  expect(resolveEntry(manifest, "x", { tenant: "acme" })).toEqual(entry(2));
  expect(resolveEntry(manifest, "x", { tenant: "zed" })).toEqual(entry(1));
  expect(resolveEntry(manifest, "off", { tenant: "zed" })).toBe(null);
  expect(resolveEntry(manifest, "y", { tenant: "zed" })).toBe(undefined);
});

test("tenants, operators and private names", () => {
  expect(isAmong(undefined, { tenant: "a" })).toBe(true);
  expect(isAmong(["a", "b"], { tenant: "b" })).toBe(true);
  expect(isAmong(["a"], { tenant: "b" })).toBe(false);
  expect(isAmong([], { tenant: "b", operator: true })).toBe(true);
  expect(mayName("tenant:a:x", { tenant: "a" })).toBe(false);
  expect(mayName("tenant:a:x", { tenant: "a", operator: false })).toBe(false);
  expect(mayName("tenant:a:x", { tenant: "a", operator: true })).toBe(true);
  expect(mayName("a:x", { tenant: "a" })).toBe(true);
});

describe("an unload", () => {
  const missing = expect.objectContaining({ code: "not_found" });

  test("takes out the tenant's own adapter and leaves the shared one", () => {
    const manifest = of({ "acme/x": entry(1), "tenant:acme:acme/x": entry(2) });
    expect(withoutName(manifest, "acme/x", false, acme)).toEqual(of({ "acme/x": entry(1) }));
    expect(withoutName(manifest, "acme/x", false, zed)).toEqual(of({ "tenant:acme:acme/x": entry(2) }));
    expect(withoutName(manifest, "acme/x", false, operator)).toEqual(of({ "tenant:acme:acme/x": entry(2) }));
    expect(withoutName(manifest, "tenant:acme:acme/x", false, undefined)).toEqual(of({ "acme/x": entry(1) }));
  });

  test("switches a folder off that is served under its path", () => {
    expect(withoutName(of({}), "acme/x", true, acme)).toEqual(of({ "acme/x": null }));
    expect(withoutName(of({ "acme/x": entry(1) }), "acme/x", true, acme)).toEqual(of({ "acme/x": null }));
    expect(() => withoutName(of({ "acme/x": null }), "acme/x", true, acme)).toThrow(missing);
  });

  test("of a name that means nothing to the caller is refused", () => {
    expect(() => withoutName(of({}), "acme/x", false, acme)).toThrow(missing);
    expect(() => withoutName(of({ zed: entry(1) }), "zed", false, acme)).toThrow(missing);
    expect(() => withoutName(of({ "acme/x": entry(1, { tenants: ["zed"] }) }), "acme/x", false, acme)).toThrow(missing);
  });

  test("keeps the rights of a version that would become open", () => {
    const restricted = entry(1, { owner: "acme", tenants: ["acme"] });
    const { path, version, owner, tenants } = restricted;
    const next = withoutName(of({ "acme/x": restricted }), "acme/x", false, acme);
    expect(next).toEqual(of({}, [{ path, version, owner, tenants }]));
    // If a second name has the same rights, no entry without a name is needed.
    const two = of({ "acme/x": restricted, other: restricted });
    expect(withoutName(two, "acme/x", false, acme)).toEqual(of({ other: restricted }));
    // The folder's other version, or a copy of the version, is open to all.
    const copy = { ...restricted, path: "copy" };
    expect(withoutName(of({ "acme/x": restricted, copy }), "acme/x", false, acme).unnamed).toHaveLength(1);
    const later = { ...restricted, version: "9".repeat(64) };
    expect(withoutName(of({ "acme/x": restricted, later }), "acme/x", false, acme).unnamed).toHaveLength(1);
  });

  test("adds to the rights that were kept before, and leaves out an owner that is not there", () => {
    const kept = { path: "old", version: version(8), tenants: ["zed"] };
    const { unnamed } = withoutName(of({ x: entry(1, { tenants: ["eve"] }) }, [kept]), "x", false, operator);
    expect(unnamed).toEqual([kept, { path: "folder1", version: version(1), tenants: ["eve"] }]);
    expect(Object.hasOwn(unnamed![1], "owner")).toBe(false);
  });

  test("of a name that is open to all keeps nothing", () => {
    expect(withoutName(of({ "acme/x": entry(1) }), "acme/x", false, acme)).toEqual(of({}));
  });
});

test("a load by a tenant gives a version to no other tenant, and takes an open one from nobody", () => {
  const tenants = ["acme", "zed", "eve"];
  const grant = fc.record({
    ...{ folder: fc.nat(2), content: fc.nat(2), owner: fc.option(fc.constantFrom(...tenants), { nil: undefined }) },
    tenants: fc.option(fc.subarray(tenants), { nil: undefined }),
  });
  const names = fc.constantFrom("acme/x", "acme/y", "zed/x", "tenant:acme:acme/x", "tenant:zed:zed/x");
  const property = fc.property(
    fc.uniqueArray(fc.tuple(names, grant), { selector: ([name]) => name, maxLength: 4 }),
    fc.constantFrom("acme/x", "acme/y", "zed/x"),
    fc.nat(2),
    fc.nat(2),
    (drawn, name, folder, content) => {
      const entries = drawn.map(([name, { folder, content, owner, tenants }]) => {
        const rights = { ...(owner && { owner }), ...(tenants && { tenants }) };
        return [name, { path: `f${folder}`, version: version(content), method: "LORA", ...rights }] as const;
      });
      const manifest = of(Object.fromEntries(entries));
      const by = name.startsWith("zed") ? zed : acme;
      const loaded = { name, path: `f${folder}`, version: version(content), method: "LORA", by };
      const before = rightsTo(manifest, loaded).tenants;
      // The store has already refused a folder that the caller may not use.
      if (before && !before.includes(by.tenant)) return;
      const next = withLoaded(manifest, { ...loaded, pinned: false, replace: true });
      const replaced = Object.keys(manifest.adapters).find((key) => next.adapters[key] !== manifest.adapters[key]);
      const after = rightsTo(next, loaded).tenants;
      for (const tenant of tenants.filter((one) => one !== by.tenant)) {
        const [had, has] = [before, after].map((list) => list === undefined || list.includes(tenant));
        if (has) expect(had, tenant).toBe(true);
        // A replaced entry no longer gives its rights.
        if (before === undefined && replaced === undefined) expect(has, tenant).toBe(true);
      }
      expect(resolveEntry(next, name, by)?.path).toBe(loaded.path);
      const named = entryOf(next, name);
      if (named?.path === loaded.path && before && named !== manifest.adapters[name]) {
        expect(named.tenants?.every((tenant) => before.includes(tenant))).toBe(true);
      }
    },
  );
  fc.assert(property, { numRuns: 500, seed: 3 });
});

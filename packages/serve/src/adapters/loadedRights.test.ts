import { describe, expect, it } from "vitest";
import { rightsTo, tenantsOf } from "../access/rights.ts";
import type { Caller } from "../api/caller.ts";
import { type Manifest, manifestText, parseManifest } from "./manifest.ts";
import { withLoaded, withoutName } from "./manifestNames.ts";

const version = (digit: string) => digit.repeat(64);
const other = { path: "umbrella/v1", version: version("2"), method: "LORA" };
const tenant = (id: string): Caller => ({ tenant: id, operator: false, admin: true, base: true, adapters: ["*"] });
const open = { path: "acme/v1", version: version("1"), method: "LORA" };

/** Loads the open folder acme/v1 under an existing name. */
function load(name: string, tenants: readonly string[], by: Caller | undefined): Manifest {
  const manifest = { discover: true, adapters: { [name]: { ...other, tenants } } };
  return withLoaded(manifest, { ...open, name, replace: true, by });
}

describe("a load takes an open folder from nobody", () => {
  it.each([
    ["a tenant, by a name of others", "umbrella/v1", [], tenant("all"), "tenant:all:umbrella/v1", ["all"]],
    ["a tenant, by a name that it shares", "shared", ["all", "two"], tenant("all"), "shared", ["all", "two"]],
    ["an operator, by a name with tenants", "umbrella/v1", ["two"], undefined, "umbrella/v1", ["two"]],
  ])("%s", (_, name, tenants, by, stored, named) => {
    const manifest = load(name, tenants, by);
    expect(manifest.adapters[stored]).toMatchObject({ path: "acme/v1", tenants: named, alias: true });
    expect(rightsTo(manifest, open)).toEqual({});
    expect(rightsTo(parseManifest(manifestText(manifest)), { version: open.version })).toEqual({});
  });

  it("a folder with tenants keeps them under a new name", () => {
    const manifest: Manifest = { adapters: { first: { ...open, tenants: ["all", "two"], owner: "two" } } };
    const next = withLoaded(manifest, { ...open, name: "second", replace: false, by: tenant("all") });
    expect(next.adapters["tenant:all:second"]).toEqual({ ...open, owner: "two", tenants: ["all"], alias: true });
    expect(rightsTo(next, open)).toEqual({ owner: "two", tenants: ["all", "two"], common: ["all", "two"] });
  });
});

describe("a folder that a tenant has named while it was open", () => {
  const named = withLoaded({ adapters: {} }, { ...open, name: "poet", replace: false, by: tenant("all") });
  const limited: Manifest = { adapters: { ...named.adapters, limited: { ...open, tenants: ["two"] } } };

  it("is limited by an operator, also under the tenant's name", () => {
    expect(named.adapters.poet).toEqual({ ...open, owner: "all", alias: true });
    expect(tenantsOf(named, named.adapters.poet!)).toBeUndefined();
    expect(rightsTo(limited, open).tenants).toEqual(["two"]);
    expect(tenantsOf(limited, named.adapters.poet!)).toEqual(["two"]);
  });

  it("stays limited when the tenant's name goes", () => {
    const { adapters, unnamed } = withoutName(limited, "poet", false, undefined);
    expect([adapters, unnamed]).toEqual([{ limited: { ...open, tenants: ["two"] } }, undefined]);
  });
});

describe("a folder that one name limits", () => {
  const manifest: Manifest = { adapters: { unlimited: open, limited: { ...open, tenants: ["two"] } } };

  it("is limited under every name", () => {
    expect(tenantsOf(manifest, open)).toEqual(["two"]);
    expect(() => withoutName(manifest, "unlimited", false, tenant("all"))).toThrow("cannot be found");
  });

  it.each([
    ["a tenant that may use it", tenant("two")],
    ["an operator", undefined],
  ])("stays limited if %s replaces or removes another name", (_, by) => {
    const moved = withLoaded(manifest, { ...other, name: "unlimited", replace: true, by });
    for (const next of [moved, withoutName(manifest, "unlimited", false, by)]) {
      expect(rightsTo(next, open).tenants).toEqual(["two"]);
      expect(next.unnamed).toBeUndefined();
    }
  });

  it.each([
    ["a tenant that may use it", tenant("two")],
    ["an operator", undefined],
  ])("stays limited if %s removes that name", (_, by) => {
    const next = withoutName(manifest, "limited", false, by);
    expect(rightsTo(parseManifest(manifestText(next)), open).tenants).toEqual(["two"]);
  });
});

it("a tenant that moves one of two names does not take the folder from another tenant", () => {
  const manifest: Manifest = {
    adapters: { both: { ...open, tenants: ["one", "two"] }, own: { ...open, tenants: ["two"] } },
  };
  const moved = withLoaded(manifest, { ...other, name: "both", replace: true, by: tenant("two") });
  for (const next of [moved, withoutName(manifest, "both", false, tenant("two"))]) {
    expect(rightsTo(next, open).tenants).toEqual(expect.arrayContaining(["one", "two"]));
  }
  // An operator takes it from both.
  expect(rightsTo(withoutName(manifest, "both", false, undefined), open).tenants).toEqual(["two"]);
});

describe("a version that two tenants have trained, of which one has given its folder another name", () => {
  const trained = (by: string) => ({ ...open, path: `.jobs/${by}`, owner: by, tenants: [by] });
  const two: Manifest = { adapters: { "ft:one": trained("one"), "ft:two": trained("two") } };
  const named = withLoaded(two, { ...open, path: ".jobs/one", name: "poet", replace: false, by: tenant("one") });

  it("stays usable by that name after the tenant removes the model", () => {
    const next = withoutName(named, "ft:one", false, tenant("one"));
    expect(next.unnamed).toEqual([{ path: ".jobs/one", version: open.version, owner: "one", tenants: ["one"] }]);
    expect(tenantsOf(next, next.adapters["tenant:one:poet"]!)).toEqual(["one"]);
  });

  it("is no longer usable after an operator removes it", () => {
    const next = withoutName(named, "ft:one", false, undefined);
    expect(next.unnamed).toBeUndefined();
    expect(tenantsOf(next, next.adapters["tenant:one:poet"]!)).toEqual([]);
  });

  it("leaves no rights behind if it has no other name", () => {
    expect(withoutName(two, "ft:one", false, tenant("one")).unnamed).toBeUndefined();
  });
});

it("alias in a manifest is true or false", () => {
  const text = (value: unknown) => JSON.stringify({ adapters: { a: { ...open, alias: value } } });
  expect(parseManifest(text(true)).adapters.a).toEqual({ ...open, alias: true });
  expect(() => parseManifest(text("yes"))).toThrow('adapters["a"].alias is "yes"; expected true or false');
});

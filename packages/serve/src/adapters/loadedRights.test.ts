import { describe, expect, it } from "vitest";
import type { Caller } from "../access/caller.ts";
import { rightsTo } from "../access/rights.ts";
import { type Manifest, manifestText, parseManifest } from "./manifest.ts";
import { withLoaded } from "./manifestNames.ts";

const version = (digit: string) => digit.repeat(64);
const other = { path: "umbrella/v1", version: version("2"), method: "LORA" };
const tenant = (id: string): Caller => ({ tenant: id, operator: false, admin: true, base: true, adapters: ["*"] });
const open = { path: "acme/v1", version: version("1"), method: "LORA" };

/** Loads the open folder acme/v1 under a name that exists. */
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
    expect(manifest.adapters[stored]).toMatchObject({ path: "acme/v1", tenants: named, openFolder: true });
    expect(rightsTo(manifest, open)).toEqual({});
    expect(rightsTo(parseManifest(manifestText(manifest)), { version: open.version })).toEqual({});
  });

  it("a folder with tenants keeps them under a new name", () => {
    const manifest: Manifest = { adapters: { first: { ...open, tenants: ["all", "two"], owner: "two" } } };
    const next = withLoaded(manifest, { ...open, name: "second", replace: false, by: tenant("all") });
    expect(next.adapters["tenant:all:second"]).toEqual({ ...open, owner: "two", tenants: ["all"] });
    expect(rightsTo(next, open)).toEqual({ owner: "two", tenants: ["all", "two"], common: ["all"] });
  });
});

it("openFolder in a manifest is true or false", () => {
  const text = (value: unknown) => JSON.stringify({ adapters: { a: { ...open, openFolder: value } } });
  expect(parseManifest(text(true)).adapters.a).toEqual({ ...open, openFolder: true });
  expect(() => parseManifest(text("yes"))).toThrow('adapters["a"].openFolder is "yes"; expected true or false');
});

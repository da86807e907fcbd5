import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as lowrank from "lowrank";
import { expect, test } from "vitest";
import { groups, page, rowOf } from "./page.ts";
import { rows } from "./rows.ts";

const exported = new Set(Object.keys(lowrank));
const library = lowrank as unknown as Record<string, { prototype?: object } & Record<string, unknown>>;
const all = Object.entries(groups).flatMap(([group, names]) => names.map((name) => [group, name] as const));

/** Members that are fields of instances, which prototypes lack. */
const fields = new Set(["PeftModel#prompt_encoder"]);

test.each(all)("%s: %s has a row, and our name exists", (group, name) => {
  const [ours, difference] = rowOf(group, name, exported);
  if (ours === "") return expect(difference).not.toBe("");
  const [owner, member] = ours.split(/[#.]/);
  expect(exported).toContain(owner);
  if (member === undefined || fields.has(ours)) return;
  const holder = ours.includes("#") ? library[owner].prototype! : library[owner];
  expect(member in holder, ours).toBe(true);
});

test("every written row belongs to a name of PEFT", () => {
  for (const [group, own] of Object.entries(rows)) {
    for (const name of Object.keys(own)) expect(groups[group], `${group}: ${name}`).toContain(name);
  }
});

test("the page is up to date", () => {
  const text = readFileSync(join(import.meta.dirname, "../../docs/peft-api.md"), "utf8");
  // The formatter aligns the columns of tables.
  const plain = (one: string) => one.replaceAll(/ +/g, " ").replaceAll(/-{2,}/g, "--");
  expect(plain(text), "run pnpm docs:peft").toBe(plain(page(exported)));
});

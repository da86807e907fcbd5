import { mkdir, rm } from "node:fs/promises";
import { getPeftModel, LoraConfig } from "@lowrank/peft";
import { afterAll, beforeAll, expect, test } from "vitest";
import { loadModel } from "../../load/loadModel.ts";
import { commandFolder } from "../../testing/commandFolder.ts";
import { makeEngine, namedFolders } from "./makeEngine.ts";
import { readServeSettings } from "./serveSettings.ts";

const { folder, at } = await commandFolder();
afterAll(() => rm(folder, { recursive: true, force: true }));
beforeAll(async () => {
  const config = new LoraConfig({ r: 1, targetModules: ["q_proj"] });
  const peft = await getPeftModel((await loadModel(at("model"))).model, config);
  for (const name of ["store/poet", "store/judge"]) await peft.savePretrained(at(name));
});

const engineOf = async (flags: object) =>
  makeEngine(await readServeSettings({ model: at("model"), ...flags }, undefined));
const names = async (engine: Awaited<ReturnType<typeof engineOf>>) =>
  (await engine.adapters()).map(({ name }) => name).sort();

test("an engine has whole pages for the tokens of its cache, and the adapters by name", async () => {
  for (const [tokens, pages] of [
    [33, 3],
    [48, 3],
    [49, 4],
  ]) {
    const engine = await engineOf({ "kv-cache-tokens": tokens });
    expect([(await engine.stats()).pages.total, await names(engine)]).toEqual([pages, []]);
  }
  const engine = await engineOf({ adapters: { mine: at("store/poet"), other: at("store/judge") } });
  expect(await names(engine)).toEqual(["mine", "other"]);
  const stored = await engineOf({ store: at("store"), adapters: { mine: "poet" } });
  expect(await names(stored)).toContain("mine");
  expect((await stored.model()).name).toBe("model");
});

test("an adapter that is not there is an error with its name or path", async () => {
  const nowhere = at("nowhere");
  await expect(engineOf({ adapters: { mine: nowhere } })).rejects.toThrow(
    `adapter mine: there is no folder ${nowhere}; correct its path`,
  );
  await expect(engineOf({ store: at("store"), adapters: { mine: "none" } })).rejects.toThrow("none");
});

test("the adapters of the command line are a place whose paths are their names", async () => {
  await mkdir(at("empty"));
  const place = await namedFolders({ mine: at("store/poet"), empty: at("empty") });
  expect(place.label).toBe("the adapters of the command line");
  expect([await place.adapters(), place.pathOf("mine")]).toEqual([["mine", "empty"], "mine"]);
  expect(() => place.pathOf("poet")).toThrow(
    "No adapter found in poet; it must be a name that --adapter gives, or start with --store DIR",
  );
  const files = await place.files("mine");
  expect(files).not.toBe(null);
  expect(await place.holds("mine", files!)).toBe(true);
  expect(await place.read("mine", files!)).toHaveLength(files!.length);
  expect([await place.files("poet"), await place.holds("poet", files!), await place.read("poet", files!)]).toEqual([
    ...[null, false, null],
  ]);
  const manifest = await place.readManifest();
  expect(manifest).toEqual({ text: '{ "discover": true, "adapters": {} }', tag: "0" });
  expect(await place.readManifest("0")).toBe("same");
  expect(await place.writeManifest("new", "7")).toBe(null);
  expect(await place.writeManifest("new", "0")).toBe("1");
  expect(await place.readManifest("0")).toEqual({ text: "new", tag: "1" });
});

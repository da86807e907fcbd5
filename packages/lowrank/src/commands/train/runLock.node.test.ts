import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { lockRun } from "./runLock.ts";

const folder = mkdtempSync(join(tmpdir(), "lowrank-lock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string) => join(folder, name);

it("takes a folder, which it makes, until it is given back, and leaves nothing", async () => {
  const release = await lockRun(at("a/b"));
  const said = `is in use: process ${process.pid} trains there since`;
  await expect(lockRun(at("a/b"))).rejects.toThrow(said);
  await release();
  expect(existsSync(at("a"))).toBe(false);
  const again = await lockRun(at("a/b"));
  writeFileSync(at("a/b/result"), "");
  await again();
  expect(readdirSync(at("a/b"))).toEqual(["result"]);
});

it("is held by a process that lives, and not by one that was killed", async () => {
  const script = `import { lockRun } from ${JSON.stringify(new URL("./runLock.ts", import.meta.url))};
    await lockRun(${JSON.stringify(at("killed"))});
    console.log("mine");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", script]);
  await once(child.stdout, "data");
  await expect(lockRun(at("killed"))).rejects.toThrow(`process ${child.pid} trains there`);
  child.kill("SIGKILL");
  await once(child, "exit");
  await (await lockRun(at("killed")))();
});

it.skipIf(process.platform !== "linux")("knows a later process of the same number", async () => {
  mkdirSync(at("later"));
  const later = { pid: process.pid, host: hostname(), started: 1, since: "yesterday" };
  writeFileSync(at("later/run.lock"), JSON.stringify(later));
  await (await lockRun(at("later")))();
});

it.skipIf(process.platform !== "linux")("is not held by the dead whose parent does not ask for them", async () => {
  mkdirSync(at("dead"));
  // After exec, the parent does not wait for its child, which becomes a zombie.
  const parent = spawn("sh", ["-c", "sleep 0.5 & echo $!; exec sleep 60"]);
  const pid = Number(String((await once(parent.stdout, "data"))[0]));
  const fields = () => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  const lock = { pid, host: hostname(), started: Number(fields()[19]), since: "a moment ago" };
  writeFileSync(at("dead/run.lock"), JSON.stringify(lock));
  await expect(lockRun(at("dead"))).rejects.toThrow(`process ${pid} trains there`);
  await expect.poll(() => fields()[0], { timeout: 10_000 }).toBe("Z");
  await (await lockRun(at("dead")))();
  parent.kill();
});

it("lets nobody but people decide about another machine", async () => {
  mkdirSync(at("far"));
  const far = JSON.stringify({ pid: 1, host: "elsewhere.invalid", started: 1, since: "yesterday" });
  writeFileSync(at("far/run.lock"), far);
  const advice = `process 1 on elsewhere.invalid trains there since yesterday; wait for it, or give another folder, or delete ${at("far/run.lock")}`;
  await expect(lockRun(at("far"))).rejects.toThrow(advice);
  expect(readFileSync(at("far/run.lock"), "utf8")).toBe(far);
});

it("takes a folder whose lock is no lock", async () => {
  mkdirSync(at("torn"));
  writeFileSync(at("torn/run.lock"), "{");
  await (await lockRun(at("torn")))();
});

it("lets one of many have the folder of a process that died", async () => {
  mkdirSync(at("many"));
  writeFileSync(at("many/run.lock"), JSON.stringify({ pid: 2 ** 30, host: hostname(), started: 1, since: "then" }));
  const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockRun(at("many"))));
  expect(tries.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
});

it("says that nothing can be written", async () => {
  writeFileSync(at("file"), "");
  await expect(lockRun(at("file/run"))).rejects.toThrow(`--output ${at("file/run")} cannot be written to (ENOTDIR)`);
});

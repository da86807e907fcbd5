import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MemoryStore } from "../access/testing/memoryStore.ts";
import { FileStore } from "../jobs/fileStore.ts";
import type { FineTuneJob } from "../jobs/job.ts";
import { JobStore } from "../jobs/jobStore.ts";
import { TrainerTime } from "../jobs/trainerTime.ts";
import { jobsFolder } from "../storage/adapterPlace.ts";
import { ownerKey, runFolder } from "../storage/jobKeys.ts";
import type { Spender } from "./budgets.ts";
import { budgetsOf } from "./keyBudgets.ts";
import { jobSlots } from "./slots.ts";
import { storeUses } from "./storeUses.ts";
import { StoredBytes, Uploads } from "./uploads.ts";

/** Seconds since 1970, at the beginning of a UTC day. */
const start = 1_700_006_400;
let clock: ReturnType<typeof vi.spyOn>;
let store: MemoryStore;
let files: FileStore;
let jobs: JobStore;
let uploads: Uploads;
let folders: { readonly uploads: string; readonly files: string; readonly jobs: string };

beforeEach(async () => {
  clock = vi.spyOn(Date, "now");
  at(start);
  store = new MemoryStore();
  [files, jobs] = [new FileStore(store.objects), new JobStore(store.objects)];
  uploads = new Uploads(files, new StoredBytes(files, jobs));
  const owner = await ownerKey("red");
  folders = {
    uploads: `${jobsFolder}/uploads/${owner}/`,
    files: `${jobsFolder}/slots/${owner}/files/`,
    jobs: `${jobsFolder}/slots/${owner}/jobs/`,
  };
});
afterEach(() => clock.mockRestore());

/** Sets the time, in seconds since 1970. */
const at = (seconds: number) => clock.mockReturnValue(seconds * 1000);
const put = (key: string, value: object) => store.write(key, JSON.stringify(value));
async function* contentOf(...pieces: string[]) {
  for (const piece of pieces) yield new TextEncoder().encode(piece);
}
const add = (text: string) => {
  return files.add("red", contentOf(text), { filename: "f", purpose: "fine-tune", slot: null });
};
const jobOf = (id: string): FineTuneJob => ({
  ...{ id, owner: "red", createdAt: start, model: "base", name: `ft:${id}`, served: true, trainingFile: "file-1" },
  ...{ validationFile: null, method: "supervised", hyperparameters: {}, seed: 1, suffix: null, metadata: null },
  ...{ options: {}, priority: 0, limits: null },
});

describe("an upload", () => {
  const begin = (bytes: number, exact: boolean, storedBytes = 100, limit = 5) =>
    uploads.begin("red", { files: limit, storedBytes }, { bytes, exact });
  const refused = (used: number, needs: number | string, of = 100) =>
    expect.objectContaining({
      ...{ code: "stored_bytes_exceeded", param: "file", retryAfter: null },
      message: `This key has stored ${used} of its ${of} bytes, and the file needs ${needs}; delete files or fine-tuned models.`,
    });

  test("of a known size fits if as many bytes are left", async () => {
    await add("x".repeat(40));
    await expect(begin(61, true)).rejects.toEqual(refused(40, 61));
    const upload = await begin(59, true);
    expect(await uploads.used("red")).toBe(99);
    await expect(begin(2, true)).rejects.toEqual(refused(99, 2));
    await begin(1, true);
    expect(await uploads.used("red")).toBe(100);
    await expect(begin(0, true)).rejects.toEqual(refused(100, 0));
    await upload.end(false);
    expect(await uploads.used("red")).toBe(41);
    await begin(59, true);
  });

  test("of an unknown size reserves what is left", async () => {
    await begin(30, false);
    expect(await uploads.used("red")).toBe(30);
    const upload = await begin(500, false);
    expect(await uploads.used("red")).toBe(100);
    await expect(begin(1, false)).rejects.toEqual(refused(100, "more"));
    await upload.end(false);
    await expect(begin(10, false, 30)).rejects.toEqual(refused(30, "more", 30));
    await expect(begin(10, false, 20)).rejects.toEqual(refused(30, "more", 20));
  });

  test("passes its reserved bytes, and no more", async () => {
    const upload = await begin(5, true);
    const passed: number[] = [];
    const pass = async (...pieces: string[]) => {
      for await (const piece of upload.within(contentOf(...pieces))) passed.push(piece.length);
    };
    await pass("abc", "de");
    await expect(pass("abc", "def")).rejects.toEqual(refused(0, 5));
    expect(passed).toEqual([3, 2, 3]);
  });

  test("beside another at the same time is refused if both do not fit", async () => {
    const both = await Promise.allSettled([begin(60, true), begin(60, true)]);
    // Each reserves its bytes before it checks the total. One is accepted if the other has ended by then.
    const accepted = both.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    expect(accepted.length).toBeLessThanOrEqual(1);
    expect(await uploads.used("red")).toBe(60 * accepted.length);
    for (const upload of accepted) await upload.end(false);
    expect(await uploads.used("red")).toBe(0);
    expect(await (await uploads.slots("red")).count()).toBe(0);
    await Promise.all([begin(60, true), begin(40, true)]);
  });

  test("takes a slot, and keeps it if a file was stored", async () => {
    const [first] = [await begin(1, true, 100, 2), await begin(1, true, 100, 2)];
    await expect(begin(1, true, 100, 2)).rejects.toMatchObject({
      ...{ code: "too_many_files", retryAfter: null },
      message: "This key already has 2 files, which is its limit; delete some.",
    });
    await first.end(true);
    await expect(begin(1, true, 100, 2)).rejects.toMatchObject({ code: "too_many_files" });
    const other = await begin(1, true, 100, 3);
    await other.end(false);
    await begin(1, true, 100, 3);
  });

  test("gives a sign of life every 30 seconds, and its reservation ends 120 seconds after the last", async () => {
    const timers = vi.spyOn(globalThis, "setInterval");
    const upload = await begin(10, true);
    const [[write, ms]] = timers.mock.calls as unknown as [() => void, number][];
    timers.mockRestore();
    expect(ms).toBe(30_000);
    at(start + 119);
    expect(await uploads.used("red")).toBe(10);
    write();
    await Promise.resolve();
    at(start + 238);
    expect(await uploads.used("red")).toBe(10);
    at(start + 239);
    expect(await uploads.used("red")).toBe(0);
    await upload.end(false);
  });
});

test("a slot of a file is held by a young upload, a file, or a reservation that lives", async () => {
  const { id } = await add("text");
  const count = async () => (await uploads.slots("red")).count();
  const hold = (index: number, id: string, since: number) =>
    put(`${folders.files}00000${index}/000000`, { id, at: since });
  at(start + 1000);
  hold(0, id, start);
  expect(await count()).toBe(1);
  hold(1, "file-young", start + 1000 - 119);
  expect(await count()).toBe(2);
  hold(1, "file-old", start + 1000 - 120);
  expect(await count()).toBe(1);
  put(`${folders.uploads}file-old`, { bytes: 1, at: start + 1000 - 119 });
  expect(await count()).toBe(2);
  put(`${folders.uploads}file-old`, { bytes: 1, at: start + 1000 - 120 });
  expect(await count()).toBe(1);
});

test("a slot of a job is held by a young order, and by a job that has not ended", async () => {
  const [id, ended] = ["ftjob-1", "ftjob-2"];
  for (const each of [id, ended]) await jobs.order(jobOf(each));
  await jobs.finish(jobOf(ended), { status: "failed", at: start });
  const count = async (id: string, age: number, reopens?: boolean) => {
    put(`${folders.jobs}000000/000000`, { id, at: start - age, reopens });
    return (await jobSlots(jobs, "red")).count();
  };
  expect([await count(id, 1000), await count("ftjob-none", 119), await count("ftjob-none", 120)]).toEqual([1, 1, 0]);
  expect([await count(ended, 0), await count(ended, 1000)]).toEqual([0, 0]);
  expect([await count(ended, 119, true), await count(ended, 120, true), await count("ftjob-none", 120, true)]).toEqual([
    1, 0, 0,
  ]);
});

test("stored bytes are those of files, once read, and of runs, for a minute", async () => {
  let now = 0;
  const stored = new StoredBytes(files, jobs, () => now);
  expect(await stored.of("red")).toBe(0);
  const file = await add("12345");
  await jobs.order(jobOf("ftjob-1"));
  for (const name of ["a", "b"]) store.write(`${runFolder("ftjob-1")}/${name}`, "x".repeat(10));
  expect([await stored.of("red"), await stored.of("blue")]).toEqual([25, 0]);
  store.write(`${runFolder("ftjob-1")}/c`, "x");
  now = 59_999;
  expect(await stored.of("red")).toBe(25);
  now = 60_000;
  expect(await stored.of("red")).toBe(26);
  store.write(`${runFolder("ftjob-1")}/d`, "x");
  stored.forgetRun("ftjob-1");
  expect(await stored.of("red")).toBe(27);
  const finds = vi.spyOn(files, "find");
  await stored.of("red");
  expect(finds.mock.calls.length).toBe(0);
  finds.mockRestore();
  await files.remove("red", file);
  expect(await stored.of("red")).toBe(22);
});

test("a file that is removed while it is counted has no bytes", async () => {
  const gone = { ids: async () => ["file-1"], find: async () => null } as unknown as FileStore;
  expect(await new StoredBytes(gone, jobs).of("red")).toBe(0);
});

test("uses of budgets are counted at most every 30 seconds", async () => {
  const uses = storeUses({ jobs, uploads });
  const spender: Spender = { tenant: "red", budgets: budgetsOf({ jobs: 3 }, undefined), shared: true };
  const used = async () => Object.fromEntries((await uses(spender)).map(({ budget, used }) => [budget, used]));
  await new TrainerTime(store.objects).add(jobOf("ftjob-1"), 90);
  await add("12345");
  await jobs.order(jobOf("ftjob-1"));
  await (await jobSlots(jobs, "red")).take(3, "ftjob-1");
  expect(await uses(spender)).toContainEqual({ tenant: "red", budget: "jobs", used: 1, limit: 3 });
  expect(await used()).toEqual({ jobs: 1, files: 0, storedBytes: 5, trainerMinutes: 1.5 });
  await add("1");
  at(start + 29.999);
  expect((await used()).storedBytes).toBe(5);
  at(start + 30);
  expect((await used()).storedBytes).toBe(6);
});

test("uses that could not be counted are counted again", async () => {
  const broken = vi.spyOn(files, "ids").mockImplementation(async () => {
    throw new Error("away");
  });
  const uses = storeUses({ jobs, uploads });
  const spender: Spender = { tenant: "red", budgets: budgetsOf({}, undefined), shared: true };
  await expect(uses(spender)).rejects.toThrow("away");
  broken.mockRestore();
  expect((await uses(spender)).length).toBe(4);
});

test("training time is counted by job, and by owner and UTC day", async () => {
  let now = Date.UTC(2026, 0, 31, 23, 59, 58, 500);
  const time = new TrainerTime(store.objects, () => now);
  const [a, b] = [jobOf("ftjob-1"), jobOf("ftjob-2")];
  expect([time.secondsOfDayLeft, await time.today("red"), await time.ofJob(a)]).toEqual([1.5, 0, 0]);
  for (const [job, seconds] of [
    [a, 5],
    [b, 2],
    [a, 4],
  ] as const)
    await time.add(job, seconds);
  expect([await time.today("red"), await time.today("blue"), await time.ofJob(a), await time.ofJob(b)]).toEqual([
    11, 0, 9, 2,
  ]);
  expect(store.files.has(`${jobsFolder}/time/${await ownerKey("red")}/2026-01-31/ftjob-2`)).toBe(true);
  now += 1500;
  expect([time.secondsOfDayLeft, await time.today("red"), await time.ofJob(a)]).toEqual([86_400, 0, 9]);
});

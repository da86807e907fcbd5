import { createHash } from "node:crypto";
import { mkdir, readFile, rm } from "node:fs/promises";
import { type ManifestText, s3Place } from "@lowrank/serve";
import { newId, now } from "@lowrank/serve/internal";
import { bullQueue, FileStore, type FineTuneJob, fineTuneWorker, JobStore, localQueue } from "@lowrank/serve/jobs";
import { ObjectStore } from "@lowrank/test-support/objectStore";
import { freePorts } from "@lowrank/test-support/ports";
import { hasRedis, type RedisServer, startRedis } from "@lowrank/test-support/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CommandFolder, commandFolder } from "../testing/commandFolder.ts";
import { type Started, startProcess } from "../testing/startProcess.ts";
import { type JobPlaces, jobPlaces } from "./jobPlaces.ts";
import { trainInProcess } from "./trainInProcess.ts";

/** Numbers of jobs and kills. For more: LOWRANK_JOBS=40 LOWRANK_KILLS=20 pnpm test ... */
const count = Number(process.env.LOWRANK_JOBS ?? 6);
const kills = Number(process.env.LOWRANK_KILLS ?? 3);
/** Number of kinds of jobs. Jobs of one kind train the same adapter. */
const kinds = Math.min(4, count);
const steps = 240;

let folder: CommandFolder;
let redis: RedisServer;
let places: JobPlaces;

beforeAll(async () => {
  if (!hasRedis) return;
  folder = await commandFolder();
  await mkdir(folder.at("redis"));
  await mkdir(folder.at("store"));
  redis = await startRedis(folder.at("redis"));
  places = jobPlaces(folder.at("store"));
}, 60_000);
afterAll(async () => {
  if (!hasRedis) return;
  await redis.stop();
  await rm(folder.folder, { recursive: true, force: true });
});

async function upload({ files }: JobPlaces, method: FineTuneJob["method"]): Promise<string> {
  const pairs = Array.from({ length: 24 }, (_, i) => {
    const [prompt, answer] = [`say ${i % 3}: `, "abc"[i % 3]];
    return method === "dpo" ? { prompt, chosen: answer, rejected: "z" } : { prompt, completion: answer };
  });
  const content = async function* () {
    yield new TextEncoder().encode(pairs.map((pair) => JSON.stringify(pair)).join("\n"));
  };
  return (await files.add("acme", content(), { filename: "pairs.jsonl", purpose: "fine-tune", slot: null })).id;
}

/** Orders a job of one of the kinds. */
async function order(
  at: JobPlaces,
  trainingFiles: readonly string[],
  kind: number,
  model = "model",
): Promise<FineTuneJob> {
  const id = newId("ftjob");
  const method = kind % 2 === 0 ? "supervised" : "dpo";
  const job: FineTuneJob = {
    ...{ id, owner: "acme", createdAt: now(), model, name: `ft:${model}:acme:${kind}:${id.slice(6)}` },
    ...{ trainingFile: trainingFiles[kind % 2], validationFile: null, method, hyperparameters: {} },
    ...{ seed: kind, suffix: String(kind), metadata: null, priority: 0, limits: null, served: true },
    options: { r: 4, steps, "batch-size": 4, "save-every": 20, lr: 1e-2, dropout: 0.1 },
  };
  await at.jobs.order(job);
  return job;
}

const adapterOf = async (store: string, { id }: FineTuneJob): Promise<string> => {
  const read = (name: string) => readFile(folder.at(`${store}/.fine-tuning/runs/${id}/adapter/${name}`));
  const hash = createHash("sha256");
  for (const name of ["adapter_config.json", "adapter_model.safetensors"]) hash.update(await read(name));
  return hash.digest("hex");
};

const uploads = async (at: JobPlaces) => [await upload(at, "supervised"), await upload(at, "dpo")];

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const worker = (...more: string[]): Promise<Started> => {
  const args = ["worker", "model", "--queue", redis.url, "--store", "store", "--lock-seconds", "2", ...more];
  return startProcess(args, /taking jobs/, { cwd: folder.folder });
};

test.skipIf(!hasRedis)(
  `${count} jobs on two workers with ${kills} kills, and Redis killed in between: the same bits, each once, none lost`,
  async () => {
    // Runs the same jobs on the local queue, without kills.
    await mkdir(folder.at("quiet"));
    const quiet = jobPlaces(folder.at("quiet"));
    const local = localQueue({});
    const machine = { model: folder.at("model"), threads: 1, wideSimd: false, yields: false, pollMs: 1000 };
    const working = await local.work(
      fineTuneWorker({
        ...{ store: quiet.jobs, place: quiet.place },
        train: (job, attempt, signal) => {
          return trainInProcess({ job, attempt, store: folder.at("quiet"), ...machine }, [], signal);
        },
      }),
    );
    const quietFiles = await uploads(quiet);
    const references: FineTuneJob[] = [];
    for (let kind = 0; kind < kinds; kind++) references.push(await order(quiet, quietFiles, kind));
    for (const job of references) await local.add(job);
    await expect.poll(() => quiet.jobs.open("model"), { timeout: 100_000 }).toEqual([]);
    await working.close();
    for (const job of references) expect((await quiet.jobs.end(job))?.error).toBeUndefined();
    const expected = await Promise.all(references.map((job) => adapterOf("quiet", job)));
    expect(new Set(expected).size).toBe(kinds);

    const queue = await bullQueue({ url: redis.url, model: "model", onError: () => {} });
    const trainingFiles = await uploads(places);
    const jobs: FineTuneJob[] = [];
    for (let i = 0; i < count; i++) jobs.push(await order(places, trainingFiles, i % kinds));
    for (const job of jobs) await queue.add(job);

    const start = performance.now();
    const more = ["--poll-seconds", "0.5", "--deaths", "1000"];
    const workers = await Promise.all([worker(...more), worker(...more)]);
    let killed = 0;
    let random = 1;
    const next = (below: number) => {
      random = (random * 48271) % 2147483647;
      return random % below;
    };
    while (killed < kills) {
      const at = next(2);
      // Kills a worker at a random time while it runs a job; every second time after a checkpoint.
      const jobAt = () => jobs.find(({ id }) => id === /(\S+): attempt \d+\n$/.exec(workers[at].stderr())?.[1]);
      const isDue = async () => {
        const job = jobAt();
        return job !== undefined && (killed % 2 === 1 || (await checkpointsOf(places, job)) > 0);
      };
      while (!(await isDue()) && (await places.jobs.open("model")).length > 0) await pause(50);
      await pause(next(killed % 2 === 1 ? 2500 : 500));
      if ((await places.jobs.open("model")).length === 0) break;
      await workers[at].kill();
      killed++;
      if (killed === Math.ceil(kills / 3)) await redis.restart("SIGKILL");
      if (killed === Math.ceil((2 * kills) / 3)) await redis.restart("SIGTERM");
      workers[at] = await worker(...more);
    }
    await expect.poll(() => places.jobs.open("model"), { timeout: 600_000, interval: 500 }).toEqual([]);
    const seconds = (performance.now() - start) / 1000;
    await Promise.all(workers.map((started) => started.stop()));

    const { adapters } = JSON.parse(await readFile(folder.at("store/manifest.json"), "utf8"));
    let resumed = 0;
    for (const [i, job] of jobs.entries()) {
      const { end } = await places.jobs.state(job);
      expect(end?.status, job.id).toBe("succeeded");
      expect(await adapterOf("store", job), `job ${i}`).toBe(expected[i % kinds]);
      expect(adapters[job.name]).toMatchObject({ version: end?.version, tenants: ["acme"] });
      const log = await places.jobs.log(job);
      const told = log.filter(({ key }) => key.startsWith("step-")).map(({ data }) => data?.step);
      expect(told).toEqual(Array.from({ length: steps }, (_, step) => step + 1));
      resumed += log.filter(({ key }) => key.startsWith("resumed-")).length;
    }
    const named = Object.keys(adapters).filter((name) => !name.includes(":ckpt-"));
    expect(named.sort()).toEqual(jobs.map(({ name }) => name).sort());
    expect(await queue.counts()).toEqual({ waiting: 0, running: 0 });
    await queue.close();
    expect(killed).toBe(kills);
    expect(resumed).toBeGreaterThan(0);
    console.log(`${count} jobs, ${killed} kills, ${resumed} resumptions, Redis twice anew: ${seconds.toFixed(0)} s`);
  },
  1_200_000,
);

test.skipIf(!hasRedis)(
  "a worker on a bucket: a job goes on after a kill, and one that failed is listed and runs once more",
  async () => {
    const [port] = await freePorts(1);
    const s3 = new ObjectStore(folder.folder, port);
    await s3.start();
    const env = s3.env as Record<string, string>;
    const options = {
      ...{ bucket: "adapters", prefix: "models", endpoint: s3.endpoint },
      credentials: { accessKeyId: "S3RVER", secretAccessKey: "S3RVER" },
    };
    const place = s3Place(options);
    const bucket: JobPlaces = { jobs: new JobStore(place), files: new FileStore(place), place };
    const shared = ["model", "--served-model-name", "other", "--queue", redis.url, "--store", `${s3.address}/models`];
    const args = ["worker", ...shared, "--lock-seconds", "2", "--attempts", "1"];
    const start = () => startProcess(args, /taking jobs/, { cwd: folder.folder, env });
    const queue = await bullQueue({ url: redis.url, model: "other", onError: () => {} });
    const trainingFiles = await uploads(bucket);
    const job = await order(bucket, trainingFiles, 0, "other");
    const bad = await order(bucket, ["file-that-is-not-there"], 0, "other");
    let running = await start();
    await queue.add(job);
    const checkpoints = () => checkpointsOf(bucket, job);
    await expect.poll(checkpoints, { timeout: 60_000 }).toBeGreaterThan(0);
    await running.kill();
    running = await start();
    await queue.add(bad);
    await expect.poll(() => bucket.jobs.open("other"), { timeout: 100_000, interval: 500 }).toEqual([]);
    expect((await bucket.jobs.end(job))?.status).toBe("succeeded");
    expect((await bucket.jobs.log(job)).some(({ key }) => key.startsWith("resumed-"))).toBe(true);
    expect((await bucket.place.readManifest()) as ManifestText).toMatchObject({
      text: expect.stringContaining(job.name),
    });

    const ask = (...more: string[]) => folder.process.succeed(["worker", ...shared, ...more], { env });
    expect((await ask("--failed")).stdout).toMatch(
      new RegExp(`^${bad.id}  .*  acme  invalid_training_file: The file 'file-that-is-not-there' was deleted.\n$`),
    );
    expect((await ask("--retry", bad.id)).stdout).toBe(`${bad.id} runs once more\n`);
    await expect.poll(() => bucket.jobs.open("other"), { timeout: 60_000, interval: 500 }).toEqual([]);
    expect(running.stderr().split(`${bad.id}: attempt 1\n`).length).toBe(3);
    expect(await running.stop()).toBe(0);
    await queue.close();
    await s3.kill();
  },
  200_000,
);

async function checkpointsOf({ jobs }: JobPlaces, { id }: FineTuneJob): Promise<number> {
  return (await jobs.objects.list(`.fine-tuning/runs/${id}/`)).filter(({ key }) => key.endsWith("trainer_state.json"))
    .length;
}

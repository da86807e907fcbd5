import { HandClock } from "../../adapters/testing/handClock.ts";
import type { ServingEngine } from "../../api/api.ts";
import { type ApiKey, createApp } from "../../http/index.ts";
import { FileStore } from "../../jobs/fileStore.ts";
import { fineTuneWorker } from "../../jobs/fineTuneWorker.ts";
import type { JobQueue } from "../../jobs/jobQueue.ts";
import { JobStore } from "../../jobs/jobStore.ts";
import { manifestName } from "../../storage/adapterPlace.ts";
import { adapterFolder, ownerKey, runFolder } from "../../storage/jobKeys.ts";
import type { ObjectStore } from "../../storage/objects/objectStore.ts";
import { setMoment } from "./moments.ts";
import { plainAdapter } from "./plainAdapters.ts";
import { folders, names, type OperatorStep, odd, type Ref, type Step } from "./steps.ts";
import { endless, StoreEngine } from "./storeEngine.ts";
import { covers, operator, tenantKeys } from "./worldKeys.ts";

/** Request to send. */
export interface Sent {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  /** Text of a file to upload. */
  readonly file?: string;
  /** Keeps the answer open. */
  readonly hold?: boolean;
  /** Reads only one event of an endless answer. */
  readonly once?: boolean;
}

/** Training of a tenant's own job, which is not a request. */
interface Training {
  /** Job id; null: a new job with a new file. */
  readonly train: string | null;
  readonly seed: number;
  readonly fails: boolean;
}

const noQueue: JobQueue = {
  add: async () => undefined,
  remove: async () => undefined,
  work: async () => ({ close: async () => undefined }),
  counts: async () => ({ waiting: 0, running: 0 }),
  close: async () => undefined,
};

/** Ids and names that a tenant has received, newest last. */
interface Made {
  readonly files: string[];
  readonly jobs: string[];
  readonly models: string[];
  /** Names that the tenant has given to its own models. */
  readonly own: Set<string>;
}

/** App that uses the engine and the store of the current world. Shared between worlds, since it is slow to create. */
class Stage {
  world!: World;
  readonly app: ReturnType<typeof createApp>;

  constructor() {
    const engine = new Proxy({} as ServingEngine, {
      get: (_, name) => {
        const { engine } = this.world;
        return (engine[name as keyof ServingEngine] as (...args: unknown[]) => unknown).bind(engine);
      },
    });
    const objects = new Proxy({} as ObjectStore, { get: (_, name) => Reflect.get(this.world.objects, name) });
    const fineTuning = { jobs: new JobStore(objects), files: new FileStore(objects), queue: noQueue };
    const log = (fields: object) => this.world.log(fields);
    const logger = { info: log, warn: log, error: log };
    this.app = createApp({ engine, keys: [operator, ...tenantKeys], fineTuning, logger });
  }
}

let stage: Stage | undefined;

/** Server with an engine, a store and tenants, which runs one step after the other. */
export class World {
  readonly engine: StoreEngine;
  readonly objects: ObjectStore;
  readonly #stage: Stage;
  readonly #clock = new HandClock();
  readonly #observer: ApiKey;
  readonly #secrets: boolean;
  readonly #made: readonly Made[] = tenantKeys.map(() => ({ files: [], jobs: [], models: [], own: new Set() }));
  readonly #held: { by: number; leave: () => Promise<void> }[] = [];
  readonly #logs: { tenant?: string }[] = [];
  /** Names that the operator has given to folders outside the observer's scope. */
  readonly #hiddenNames = new Set<string>();

  /** With `secrets`, the store also has folders that the observer may not use. */
  constructor(task: "generate" | "embed", observer: ApiKey, secrets: boolean) {
    this.#observer = observer;
    this.#secrets = secrets;
    this.engine = new StoreEngine(this.#clock, { task });
    this.objects = this.engine.store.objects;
    for (const [i, folder] of folders.entries()) this.#writeFolder(folder, 100 + i);
    stage ??= new Stage();
    this.#stage = stage;
    this.#stage.world = this;
  }

  #writeFolder(folder: string, seed: number): void {
    const isSeen = covers(this.#observer, folder);
    // A copy of a folder that the observer sees would change its rights.
    if (isSeen || this.#secrets) this.engine.store.writeFolder(folder, plainAdapter(isSeen ? seed : seed + 100));
  }

  log(fields: { tenant?: string; milliseconds?: number }): void {
    const { milliseconds: _, ...others } = fields;
    this.#logs.push(others);
  }

  /** Returns the request of a step with its current names and ids; null if the step sends nothing. */
  resolve(by: number, others: readonly number[], step: Step): Sent | Training | null {
    const made = this.#made[by];
    const ofOthers = others.map((other) => this.#made[other]);
    const find = (kind: "files" | "jobs" | "models", { of, at }: Ref, fixed: readonly string[]): string => {
      const own = of === "own" ? made[kind] : of === "other" ? ofOthers.flatMap((other) => other[kind]) : [];
      const list = own.length > 0 ? own : fixed;
      return list[at % list.length];
    };
    const model = (ref: Ref) => find("models", ref, [...names, ...folders, ...odd]);
    const file = (ref: Ref) => find("files", ref, ["file-1", "../x"]);
    const job = (ref: Ref) => find("jobs", ref, ["ftjob-1", ""]);
    const get = (path: string, method = "GET"): Sent => ({ method, path });
    const send = (path: string, body: unknown, more: Partial<Sent> = {}): Sent => ({
      method: "POST",
      path,
      body,
      ...more,
    });
    const at = (path: string, id: string) => `${path}/${encodeURIComponent(id)}`;
    switch (step.do) {
      case "generate": {
        const prompt = step.hold ? `${step.prompt} ${endless}` : step.prompt;
        const bodies: Record<string, object> = {
          "/v1/completions": { prompt, stream: step.hold },
          "/v1/chat/completions": { messages: [{ role: "user", content: prompt }], stream: step.hold },
          "/v1/embeddings": { input: prompt },
          "/tokenize": { prompt },
          "/detokenize": { tokens: [1, 2] },
        };
        const hold = step.hold && step.route.includes("completions");
        return send(step.route, { model: model(step.model), ...bodies[step.route] }, { hold });
      }
      case "models":
        return get("/v1/models");
      case "files":
        return get("/v1/files");
      case "jobs":
        return get("/v1/fine_tuning/jobs");
      case "stats":
        return { ...get("/stats"), once: true };
      case "metrics":
        return get("/metrics");
      case "load":
        return get("/load");
      case "release":
        return null;
      case "model":
        return get(at("/v1/models", model(step.ref)));
      case "deleteModel":
        return get(at("/v1/models", model(step.ref)), "DELETE");
      case "file":
        return get(at("/v1/files", file(step.ref)));
      case "content":
        return get(`${at("/v1/files", file(step.ref))}/content`);
      case "deleteFile":
        return get(at("/v1/files", file(step.ref)), "DELETE");
      case "job":
        return get(at("/v1/fine_tuning/jobs", job(step.ref)));
      case "events":
      case "checkpoints":
        return get(`${at("/v1/fine_tuning/jobs", job(step.ref))}/${step.do}`);
      case "cancel":
      case "pause":
      case "resume":
        return get(`${at("/v1/fine_tuning/jobs", job(step.ref))}/${step.do}`, "POST");
      case "loadAdapter": {
        const mine = names.filter((name) => covers(tenantKeys[by], name));
        const all = [...mine, ...mine, ...mine, ...names, ...odd];
        const path = find("models", step.path, [
          ...folders,
          ...odd,
          ...[made, ...ofOthers].flatMap(({ jobs }) => jobs.map((id) => adapterFolder(id))),
        ]);
        const { replace: load_inplace, pin } = step;
        return send("/v1/load_lora_adapter", {
          lora_name: all[step.name % all.length],
          lora_path: path,
          load_inplace,
          pin,
        });
      }
      case "unloadAdapter":
        return send("/v1/unload_lora_adapter", { lora_name: model(step.name) });
      case "upload":
        return { method: "POST", path: "/v1/files", file: `${step.content} of ${tenantKeys[by].id}` };
      case "order": {
        const suffix = ["acme", "all", "_", undefined][step.suffix % 4];
        return send("/v1/fine_tuning/jobs", { model: "base", training_file: file(step.file), seed: 1, suffix });
      }
      case "train": {
        return { train: made.jobs[step.job] ?? null, seed: step.seed, fails: step.fails };
      }
    }
  }

  /**
   * Sends the request that `resolve` returned. Returns the whole answer as text: status, headers and body. `moment`
   * sets the time and the random values.
   */
  async play(by: number, moment: number, what: Sent | Training | null): Promise<string> {
    setMoment(`${by} ${moment}`, moment);
    if (what === null) return this.#release(by);
    if ("train" in what) return this.#train(by, moment, what);
    const { method, path, body, file, hold, once } = what;
    const headers: Record<string, string> = {
      authorization: `Bearer key-${tenantKeys[by].id}`,
      "x-request-id": "same",
    };
    const leave = new AbortController();
    let sent: BodyInit | undefined;
    if (body !== undefined) {
      headers["content-type"] = "application/json";
      sent = JSON.stringify(body);
    }
    if (file !== undefined) {
      headers["content-type"] = "multipart/form-data; boundary=x";
      const head = 'Content-Disposition: form-data; name="file"; filename="a.jsonl"';
      sent = `--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n--x\r\n${head}\r\n\r\n{"text": "${file}"}\n\r\n--x--\r\n`;
    }
    const init = { method, headers, body: sent, signal: leave.signal };
    const response = await this.#stage.app.request(path, init);
    const text = hold || once ? await this.#first(response, hold) : await response.text();
    if (hold && response.status === 200) {
      // Node's server does the same when a client disconnects.
      const goAway = async () => {
        leave.abort();
        await response.body?.cancel();
      };
      this.#held.push({ by, leave: goAway });
    }
    if (once) leave.abort();
    if (response.ok) this.#note(by, what, text);
    const kept = [...response.headers].filter(([name]) => name !== "date").map((pair) => pair.join(": "));
    return [response.status, ...kept, text].join("\n");
  }

  /** Returns the first chunk of a streamed answer. */
  async #first(response: Response, hold: boolean | undefined): Promise<string> {
    if (!response.body || response.status !== 200) return response.text();
    const reader = response.body.getReader();
    const { value } = await reader.read();
    if (hold) reader.releaseLock();
    else await reader.cancel();
    return new TextDecoder().decode(value);
  }

  #note(by: number, { method, path, body }: Sent, text: string): void {
    const made = this.#made[by];
    if (method === "POST" && path === "/v1/files") made.files.push(JSON.parse(text).id);
    if (method === "POST" && path === "/v1/fine_tuning/jobs") made.jobs.push(JSON.parse(text).id);
    const { lora_name: name, lora_path: source } = (body ?? {}) as { lora_name?: string; lora_path?: string };
    if (name === undefined) return;
    if (source === undefined) made.own.delete(name);
    else if (source.startsWith("ft:")) made.own.add(name);
  }

  async #release(by: number): Promise<string> {
    for (const held of this.#held.filter((other) => other.by === by)) await held.leave();
    await settled();
    return "";
  }

  /** Orders a job on a new file. Returns the answers to its owner. */
  async #order(by: number, moment: number): Promise<string[]> {
    const upload = this.resolve(by, [], { do: "upload", content: 0 });
    const uploaded = await this.play(by, moment, upload);
    const file = { of: "own" as const, at: this.#made[by].files.length - 1 };
    return [uploaded, await this.play(by, moment, this.resolve(by, [], { do: "order", file, suffix: 0 }))];
  }

  async #train(by: number, moment: number, { train, seed, fails }: Training): Promise<string> {
    const count = this.#made[by].jobs.length;
    const answers = train === null ? await this.#order(by, moment) : [];
    const id = train ?? this.#made[by].jobs[count];
    if (id === undefined) return answers.join("\n");
    const { store } = this.engine;
    const jobs = new JobStore(this.objects);
    const files = new FileStore(this.objects);
    const owner = tenantKeys[by].id;
    const worker = fineTuneWorker({
      store: jobs,
      place: store.place,
      train: async (job) => {
        if (fails) throw new Error("it failed");
        store.writeFolder(adapterFolder(job.id), plainAdapter(seed));
        store.writeFolder(`${runFolder(job.id)}/checkpoint-5`, plainAdapter(seed + 50));
        store.write(`${runFolder(job.id)}/checkpoint-5/trainer_state.json`, "{}");
        await jobs.writeLog(job, 5, [
          { key: "5", at: 1, level: "info", message: `step 5 of ${owner}`, type: "message" },
        ]);
        const facts = { filename: "step_metrics.csv", purpose: "fine-tune-results" as const, slot: null };
        const content = async function* () {
          yield new TextEncoder().encode(`result of ${owner}`);
        };
        const { id: result } = await files.add(owner, content(), facts);
        return { trainedTokens: 5, resultFiles: [result], writesAdapter: true };
      },
    });
    const open = { id, owner, priority: 0 };
    await worker
      .run(open, 1, new AbortController().signal)
      .catch((error) => worker.failed(open, error))
      .catch((error: Error) => answers.push(error.message));
    await this.engine.adapters();
    const state = await jobs.find(owner, id);
    if (state?.end?.status === "succeeded") {
      const { models } = this.#made[by];
      if (!models.includes(state.job.name)) models.push(state.job.name, `${state.job.name}:ckpt-step-5`);
    }
    return [...answers, JSON.stringify(state)].join("\n");
  }

  /** Returns true for a step of the others whose effect the observer may notice, since it changes something shared. */
  isShared(by: number, observer: ApiKey, what: Sent | Training | null): boolean {
    if (what === null || "train" in what) return false;
    const { lora_name: name, lora_path: source } = (what.body ?? {}) as { lora_name?: string; lora_path?: string };
    if (name === undefined || !covers(observer, name)) return false;
    if (source !== undefined) return !source.startsWith("ft:");
    return !this.#made[by].own.has(name) && !name.startsWith("ft:");
  }

  /** Runs a step of the operator, and waits until the server has read the files that it wrote. */
  async operate(moment: number, step: OperatorStep, others: readonly number[]): Promise<void> {
    setMoment(`operator ${moment}`, moment);
    await this.#operate(step, others);
    await this.engine.adapters();
  }

  /** Writes a folder, and waits until requests get its new files. */
  async #rewrite(folder: string, seed: number): Promise<void> {
    this.#writeFolder(folder, seed);
    this.#clock.turn(10_000);
    for (let use = 0; use < 2; use++) {
      const lease = await this.engine.adapterStore
        .acquire(folder, { tenant: operator.id, operator: true })
        .catch(() => undefined);
      lease?.release();
      await settled();
    }
  }

  async #operate(step: OperatorStep, others: readonly number[]): Promise<void> {
    const { engine } = this;
    const { store } = engine;
    const ignore = () => undefined;
    if (step.do === "write") await this.#rewrite(folders[step.folder], step.seed);
    else if (step.do === "drop") await engine.unloadAdapter(names[step.name]).catch(ignore);
    else if (step.do === "nameModel") {
      // No other step of the operator depends on these names.
      const { models } = this.#made[step.of];
      const source = models[step.at % Math.max(1, models.length)];
      const name = `granted/${step.of}/${step.at}`;
      if (source) await engine.loadAdapter(name, source, { replace: true }).catch(ignore);
    } else {
      const name = names[step.name];
      // This would give the observer a folder that differs between the worlds.
      if (covers(this.#observer, name) && !covers(this.#observer, folders[step.folder])) return;
      // A folder outside the observer's scope may exist in one world only. A name that moves from or to such a folder
      // is removed first, so that its old meaning has no effect in either world.
      const isHidden = !covers(this.#observer, folders[step.folder]);
      if (isHidden || this.#hiddenNames.has(name)) await engine.unloadAdapter(name).catch(ignore);
      if (isHidden) this.#hiddenNames.add(name);
      else this.#hiddenNames.delete(name);
      const loaded = await engine.loadAdapter(name, folders[step.folder], { replace: true }).catch(ignore);
      const tenants = step.do === "grant" ? [others[step.which % others.length]] : step.tenants;
      if (!loaded || tenants === null) return;
      const manifest = JSON.parse(new TextDecoder().decode(store.files.get(manifestName)));
      // The edit limits the folder for any old meaning of the name.
      const { alias: _, ...entry } = manifest.adapters[name];
      manifest.adapters[name] = { ...entry, tenants: tenants.map((tenant) => tenantKeys[tenant].id) };
      store.write(manifestName, JSON.stringify(manifest));
    }
  }

  /** Returns all data of a tenant in the store and the log, and ends its running requests. */
  async close(by: number): Promise<string> {
    for (const { leave } of this.#held) await leave();
    await settled();
    const owner = await ownerKey(tenantKeys[by].id);
    const { files, jobs } = this.#made[by];
    const parts = [owner, ...files, ...jobs];
    const kept = [...this.engine.store.files].filter(([key]) => parts.some((part) => key.includes(part)));
    const texts = kept.map(([key, bytes]) => `${key}: ${Buffer.from(bytes).toString("latin1")}`);
    const logs = this.#logs.filter(({ tenant }) => tenant === tenantKeys[by].id).map((line) => JSON.stringify(line));
    await this.engine.close();
    return [...texts.sort(), ...logs].join("\n");
  }
}

/** Waits until aborted requests have ended. */
async function settled(): Promise<void> {
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setImmediate(resolve));
}

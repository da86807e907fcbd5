import { fileURLToPath } from "node:url";
import { nanoModelFolder } from "@lowrank/nano";
import { Random } from "@lowrank/test-support/random";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { askRetrying } from "./askRetrying.ts";
import { admin, baseName, Deployment, tenants } from "./deployment.ts";
import { type KnownRequest, knownRequests, problemOf } from "./knownRequests.ts";
import { makeAdapters } from "./makeAdapters.ts";
import { hasNginx } from "./startNginx.ts";

if (!hasNginx) console.log("skipped: three replicas behind nginx (nginx is not installed)");

describe.skipIf(!hasNginx)("three replicas behind nginx, adapters in an object store", { timeout: 120_000 }, () => {
  const model = fileURLToPath(nanoModelFolder);
  const [acme] = tenants;
  const names = Array.from({ length: 10 }, (_, i) => `acme/${i}`);
  let deployment: Deployment;
  let known: KnownRequest[];

  beforeAll(async () => {
    deployment = await Deployment.create({ model, maxAdapterBytes: 1e8 });
    const adapters = await makeAdapters(model, names.length, 1);
    for (const [i, files] of adapters.entries()) await deployment.store.put(names[i], files);
    await Promise.all([deployment.start(), deployment.alone.start()]);
    known = await knownRequests(
      deployment.alone.url,
      [baseName, ...names].map((model) => ({ model, tenant: acme, versions: [model] })),
      { perName: 1, random: new Random(1) },
    );
    await deployment.alone.stop();
  }, 120_000);
  afterAll(() => deployment?.[Symbol.asyncDispose]());

  const ask = ({ tenant, body }: KnownRequest, more: object = {}, headers = {}) =>
    askRetrying(`${deployment.nginx.url}/v1/completions`, { ...body, ...more }, { key: tenant.key, headers });

  /** Sends requests from `clients` clients at once, and returns the problems of the answers. */
  async function load(clients: number, requests: number): Promise<{ problems: string[]; retried: number }> {
    const problems: string[] = [];
    let retried = 0;
    let left = requests;
    const client = async (random: Random) => {
      while (left-- > 0) {
        const request = random.pick(known);
        const { status, body, attempts } = await ask(request, { stream: random.below(2) === 0 });
        const problem = problemOf(request, status, body);
        if (problem !== undefined) problems.push(problem);
        if (attempts > 1) retried++;
      }
    };
    await Promise.all(Array.from({ length: clients }, (_, i) => client(new Random(i))));
    return { problems, retried };
  }

  test("requests spread over the replicas, and answers are those of a server alone", async () => {
    const before = deployment.nginx.requests().length;
    const { problems } = await load(9, 60);
    expect(problems).toEqual([]);
    const counts = deployment.replicas.map(({ port }) => {
      return deployment.nginx
        .requests()
        .slice(before)
        .filter(({ replicas }) => replicas.at(-1) === port).length;
    });
    for (const count of counts) expect(count, String(counts)).toBeGreaterThan(6);
  });

  test("an adapter's requests go to one replica by X-Adapter, and adapters spread", async () => {
    const before = deployment.nginx.requests().length;
    for (let i = 0; i < 3; i++) {
      await Promise.all(
        known
          .filter(({ body }) => body.model !== baseName)
          .map((request) => ask(request, {}, { "x-adapter": request.body.model })),
      );
    }
    const replicas = new Map<string, Set<number>>();
    for (const request of deployment.nginx.requests().slice(before)) {
      const ports = replicas.get(request.adapter) ?? new Set();
      replicas.set(request.adapter, ports.add(request.replicas.at(-1) as number));
    }
    expect([...replicas.keys()].sort()).toEqual(names);
    for (const [name, ports] of replicas) expect(ports.size, name).toBe(1);
    expect(new Set([...replicas.values()].flatMap((ports) => [...ports])).size).toBeGreaterThan(1);
  });

  test("an adapter loaded through nginx is served by all replicas, and unloaded by all", async () => {
    const name = "acme/loaded";
    const url = deployment.nginx.url;
    const load = { lora_name: name, lora_path: names[0] };
    expect(await askRetrying(`${url}/v1/load_lora_adapter`, load, admin)).toMatchObject({ status: 200 });
    const statuses = () =>
      Promise.all(
        deployment.replicas.map(async (replica) => {
          const body = { model: name, prompt: "the length of name", max_tokens: 1 };
          return (await askRetrying(`${replica.url}/v1/completions`, body, acme)).status;
        }),
      );
    await expect.poll(statuses, { timeout: 15_000 }).toEqual([200, 200, 200]);
    expect(await askRetrying(`${url}/v1/unload_lora_adapter`, { lora_name: name }, admin)).toMatchObject({
      status: 200,
    });
    await expect.poll(statuses, { timeout: 15_000 }).toEqual([404, 404, 404]);
  });

  test("pieces come as they are made", async () => {
    const { tenant, body } = known[0];
    const response = await fetch(`${deployment.nginx.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tenant.key}` },
      body: JSON.stringify({ ...body, stream: true, max_tokens: 100, ignore_eos: true }),
    });
    let reads = 0;
    for await (const _ of response.body as ReadableStream<Uint8Array>) reads++;
    expect(reads).toBeGreaterThan(10);
  });

  test("a replica killed amid load loses no request, and serves again when it is back", async () => {
    const [, killed] = deployment.replicas;
    const loaded = load(12, 120);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await killed.kill()).toBe("SIGKILL");
    const restarted = killed.start();
    const { problems } = await loaded;
    expect(problems).toEqual([]);
    await restarted;
    const served = async () => {
      await load(6, 12);
      return deployment.nginx
        .requests()
        .slice(-12)
        .some(({ replicas, status }) => replicas.at(-1) === killed.port && status === 200);
    };
    await expect.poll(served, { timeout: 20_000 }).toBe(true);
  });

  test("SIGTERM lets a replica finish what it has, while others take what comes", async () => {
    const [, , stopped] = deployment.replicas;
    const { tenant, body } = known[0];
    const running = await fetch(`${stopped.url}/v1/completions`, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${tenant.key}` },
      body: JSON.stringify({ ...body, stream: true, max_tokens: 100, ignore_eos: true }),
    });
    const loaded = load(6, 40);
    const code = stopped.stop();
    expect((await running.text()).endsWith("data: [DONE]\n\n")).toBe(true);
    expect(await code).toBe(0);
    expect((await loaded).problems).toEqual([]);
    await stopped.start();
  });
});

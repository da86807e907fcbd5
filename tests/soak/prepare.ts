import { Random } from "@lowrank/test-support/random";
import { askRetrying } from "../deploy/askRetrying.ts";
import { admin, baseName, Deployment, tenants } from "../deploy/deployment.ts";
import { type KnownRequest, knownRequests, type UsableName } from "../deploy/knownRequests.ts";
import { type AdapterFiles, makeAdapters } from "../deploy/makeAdapters.ts";
import { ask, completions, smallBody } from "./ask.ts";
import { Clocks, hasFakeTime } from "./clocks.ts";
import { eventually, expectOneOf } from "./fault.ts";
import { swapped } from "./faults/hotSwap.ts";

/** The number of adapters of each tenant. */
const perTenant = 6;

/**
 * Bytes for adapters in a replica: less than all of them need, so that they are loaded and evicted and the object store
 * is used all the time.
 */
const maxAdapterBytes = 1.2e6;

/** A running deployment, and requests to it with known answers. */
export interface Prepared {
  readonly deployment: Deployment;
  readonly known: readonly KnownRequest[];
  readonly spares: readonly AdapterFiles[];
  readonly clocks: Clocks | null;
}

/** Starts a deployment with adapters of two tenants, and has a separate server answer the requests. */
export async function prepare({ model, seed }: { model: string; seed: number }): Promise<Prepared> {
  let clocks: Clocks | null = null;
  const deployment = await Deployment.create({
    model,
    maxAdapterBytes,
    envOf: (name, folder) => {
      if (!hasFakeTime) return {};
      clocks ??= new Clocks(folder);
      return clocks.envOf(name);
    },
  });
  const [acme] = tenants;
  const own = tenants.flatMap(({ id }) => Array.from({ length: perTenant }, (_, i) => `${id}/${i}`));
  const paths = [...own, ...swapped.folders];
  const [spare, ...adapters] = await makeAdapters(model, paths.length + 1, seed);
  for (const [i, files] of adapters.entries()) await deployment.store.put(paths[i], files);
  await deployment.alone.start();
  const names: UsableName[] = [
    { model: swapped.name, tenant: acme, versions: swapped.folders },
    ...tenants.flatMap((tenant) => {
      const usable = [baseName, ...own.filter((name) => name.startsWith(`${tenant.id}/`))];
      return usable.map((model) => ({ model, tenant, versions: [model] }));
    }),
  ];
  const random = new Random(seed);
  const known = await knownRequests(deployment.alone.url, names, { perName: 4, random });
  await deployment.alone.stop();
  await deployment.start();
  await loadSwapped(deployment);
  return { deployment, known: random.shuffle(known), spares: [spare], clocks };
}

/** Loads the first version of the name that is swapped, and waits until every replica serves it. */
async function loadSwapped({ nginx, replicas }: Deployment): Promise<void> {
  const load = { lora_name: swapped.name, lora_path: swapped.folders[0] };
  await askRetrying(`${nginx.url}/v1/load_lora_adapter`, load, admin);
  for (const { url } of replicas) {
    await eventually(30, async () => {
      const { status } = await ask(url, { path: completions, key: admin.key, body: smallBody(swapped.name) });
      expectOneOf(`the status of ${swapped.name}`, status, 200);
    });
  }
}

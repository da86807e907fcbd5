import { admin, tenants } from "../../deploy/deployment.ts";
import { ask, completions, smallBody } from "../ask.ts";
import { eventually, expectOneOf, type Fault, pause } from "../fault.ts";

const [acme] = tenants;
let counted = 0;

/** An outage of the object store: its process is killed, or accepts connections without answering. */
export const storeAway: Fault = {
  name: "the object store goes away",
  async run({ deployment, checks, random }) {
    const { store, nginx, replicas } = deployment;
    const hangs = random.below(2) === 0;
    checks.say(`the object store ${hangs ? "hangs" : "is killed"}`);
    if (hangs) store.hang();
    else await store.kill();
    const number = counted++;
    const load = { lora_name: `acme/unreachable-${number}`, lora_path: "acme/0" };
    const statuses = [
      // Requests to a hanging store fail after four times ten seconds, which is longer than it hangs.
      ask(nginx.url, { path: "/v1/load_lora_adapter", key: admin.key, body: load, signal: AbortSignal.timeout(6000) }),
      ask(nginx.url, {
        path: completions,
        key: acme.key,
        // A server caches for a while that a name does not exist.
        body: smallBody(`acme/never-seen-${number}`),
        signal: AbortSignal.timeout(6000),
      }),
    ];
    await checks.run("a store that is away is 503, or waited for", async () => {
      for (const answer of await Promise.allSettled(statuses)) {
        if (answer.status === "fulfilled") expectOneOf(`the status (${answer.value.body})`, answer.value.status, 503);
        else expectOneOf("the reason", answer.reason.name, "TimeoutError");
      }
    });
    await checks.run("the base model is served without a store", async () => {
      for (const { url } of replicas.slice(0, 1)) {
        const { status } = await ask(url, { path: completions, key: acme.key, body: smallBody("base") });
        expectOneOf("the status", status, 200);
        expectOneOf("the status of /ready", (await ask(url, { path: "/ready" })).status, 200);
      }
    });
    if (!hangs) {
      const [, , restarted] = replicas;
      checks.say(`${restarted.name} is killed and starts without a store`);
      await restarted.kill();
      await checks.run("a replica starts without a store, and serves the base model", async () => {
        await restarted.start();
        const { status } = await ask(restarted.url, { path: completions, key: acme.key, body: smallBody("base") });
        expectOneOf("the status", status, 200);
      });
    }
    await pause(1000 + random.below(4000));
    if (hangs) store.resume();
    else await store.start();
    checks.say("the object store is back");
    const name = `acme/after-${random.below(1 << 30)}`;
    await checks.run("adapters can be loaded when the store is back", () =>
      eventually(30, async () => {
        const body = { lora_name: name, lora_path: "acme/0", load_inplace: true };
        const answer = await ask(nginx.url, { path: "/v1/load_lora_adapter", key: admin.key, body });
        expectOneOf(`the status (${answer.body})`, answer.status, 200);
      }),
    );
    await ask(nginx.url, { path: "/v1/unload_lora_adapter", key: admin.key, body: { lora_name: name } });
  },
};

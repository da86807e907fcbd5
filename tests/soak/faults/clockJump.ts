import { tenants } from "../../deploy/deployment.ts";
import { ask, completions, smallBody } from "../ask.ts";
import { expectOneOf, type Fault, pause } from "../fault.ts";

const [acme] = tenants;

/** Sets the clock of a replica forward and back by hours or years, and to the right time again. */
export const clockJump: Fault = {
  name: "clock jumps",
  async run({ deployment, checks, random, clocks }) {
    if (!clocks) return;
    const replica = random.pick(deployment.replicas);
    for (const hours of [1 + random.below(5), -1 - random.below(30), 24 * 365]) {
      clocks.jump(replica.name, 3600 * hours);
      checks.say(`the clock of ${replica.name} jumps to ${hours} h from now`);
      await pause(500 + random.below(1500));
      await checks.run("a replica whose clock jumped answers", async () => {
        const { status, body } = await ask(replica.url, { path: completions, key: acme.key, body: smallBody("base") });
        expectOneOf(`the status (${body})`, status, 200);
        const seen = JSON.parse(body).created - Date.now() / 1000;
        if (Math.abs(seen - 3600 * hours) > 60) throw new Error(`its clock is ${seen} s off, not ${3600 * hours}`);
        expectOneOf("the status of /health", (await ask(replica.url, { path: "/health" })).status, 200);
      });
    }
    clocks.jump(replica.name, 0);
  },
};

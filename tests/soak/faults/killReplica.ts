import { expectOneOf, type Fault, pause } from "../fault.ts";

/** kill -9 of a replica behind nginx, and its restart. The first replica is excluded, since its memory is measured. */
export const killReplica: Fault = {
  name: "kill -9 of a replica",
  async run({ deployment, checks, random }) {
    const replica = random.pick(deployment.replicas.slice(1));
    checks.say(`kill -9 of ${replica.name}`);
    await replica.kill();
    await pause(random.below(3000));
    await checks.run("a killed replica starts again", () => replica.start());
    checks.say(`${replica.name} is back`);
  },
};

/** SIGTERM of a replica, as in an upgrade: it must exit with code 0. */
export const drainReplica: Fault = {
  name: "SIGTERM of a replica",
  async run({ deployment, checks, random }) {
    const replica = random.pick(deployment.replicas.slice(1));
    checks.say(`SIGTERM to ${replica.name}`);
    await checks.run("SIGTERM ends a replica with code 0", async () => {
      const code = await Promise.race([replica.stop(), pause(30_000).then(() => "none after 30 s")]);
      expectOneOf(`the exit code of ${replica.name}`, code, 0);
    });
    await checks.run("a drained replica starts again", () => replica.start());
    checks.say(`${replica.name} is back`);
  },
};

// pnpm soak [--minutes 30] [--seed 1] [--clients 12] [--model DIR]: runs three replicas behind nginx, with an object
// store, under load and faults. Every answer is compared with the answer of a separate server. The last line counts the
// checks that passed and failed. See docs/deploy.md.

import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Worker } from "node:worker_threads";
import { nanoModelFolder } from "@lowrank/nano";
import { Random } from "@lowrank/test-support/random";
import { formatTally } from "@lowrank/test-support/tally";
import { hasNginx } from "../deploy/startNginx.ts";
import { Checks } from "./checks.ts";
import type { Probed } from "./healthProbe.ts";
import { judgeHealth, judgeMemory, judgeReplicas, percentile } from "./judge.ts";
import { runLoad } from "./load.ts";
import { MemoryWatch } from "./memory.ts";
import { prepare } from "./prepare.ts";
import { runFaults } from "./runFaults.ts";

const { values: flags } = parseArgs({
  options: {
    minutes: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    clients: { type: "string", default: "12" },
    model: { type: "string", default: fileURLToPath(nanoModelFolder) },
  },
});
const [minutes, seed, clients] = [flags.minutes, flags.seed, flags.clients].map(Number);
if (!(minutes > 0) || !Number.isSafeInteger(seed) || !(clients >= 1)) {
  throw new Error(`soak: --minutes, --seed and --clients are numbers, and they are ${JSON.stringify(flags)}`);
}
if (!hasNginx) throw new Error("soak: nginx is not installed; apt-get install --no-install-recommends nginx");

const checks = new Checks();
const { deployment, known, spares, clocks } = await prepare({ model: flags.model, seed });
await using _ = deployment;
checks.say(`three replicas at ${deployment.nginx.url}, ${known.length} requests with known answers, seed ${seed}`);
checks.say(clocks ? "clocks jump by libfaketime" : "skipped: clock jumps (libfaketime is not installed)");

const start = performance.now();
const end = start + 60_000 * minutes;
const memory = new MemoryWatch(deployment.replicas);
const probe = new Worker(new URL("./healthProbe.ts", import.meta.url), {
  workerData: deployment.replicas.map(({ url }) => url),
});
let isOver = false;
const loading = runLoad(deployment.nginx.url, known, { clients, seed, checks, isOver: () => isOver });
const progress = setInterval(() => checks.say(`${formatTally(checks.total)} so far; ${memory.last()}`), 60_000);
await runFaults({ deployment, checks, spares, clocks, random: new Random(seed) }, () => performance.now() > end);
isOver = true;
const counts = await loading;
clearInterval(progress);
const seconds = (performance.now() - start) / 1000;
memory.stop();
const probed = await new Promise<Map<string, Probed>>((resolve) => {
  probe.once("message", resolve);
  probe.postMessage("stop");
});

const rate = `${(counts.answers / seconds).toFixed(1)} answers and ${(counts.tokens / seconds).toFixed(0)} tokens a second`;
const [half, most] = [0.5, 0.95].map((share) => percentile(counts.seconds, share).toFixed(2));
checks.say(`${counts.answers} answers in ${seconds.toFixed(0)} s: ${rate}, p50 ${half} s, p95 ${most} s`);
checks.say(`${counts.retried} of them took another attempt`);
judgeHealth(probed, checks);
judgeMemory(memory.lives, seconds, checks);
await judgeReplicas(deployment, checks);
if (checks.total.failed > 0) {
  deployment.keepsFolder = true;
  checks.say(`the logs are in ${deployment.folder}`);
}
for (const line of checks.lines()) console.log(line);
process.exitCode = checks.total.failed > 0 ? 1 : 0;

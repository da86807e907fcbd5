// A Worker that requests the /health of servers repeatedly, so that the load's own work does not count. When it is
// stopped, it reports the milliseconds of each answer.
import { Agent, get } from "node:http";
import { parentPort, workerData } from "node:worker_threads";

/** The results of one server's /health. */
export interface Probed {
  readonly milliseconds: number[];
  /** The milliseconds by which this Worker's timers were late: the delay caused by the machine alone. */
  readonly late: number[];
  /** Statuses other than 200. */
  readonly statuses: number[];
}

const agent = new Agent({ keepAlive: true });
const probed = new Map<string, Probed>();
let over = false;

/** Sends one request; resolves without a count if the connection is refused, for example while a replica is down. */
function probe(url: string): Promise<void> {
  const own = probed.get(url) as Probed;
  return new Promise((resolve) => {
    const start = performance.now();
    const request = get(`${url}/health`, { agent }, (response) => {
      own.milliseconds.push(performance.now() - start);
      if (response.statusCode !== 200) own.statuses.push(response.statusCode as number);
      response.resume().on("close", resolve);
    });
    request.on("error", () => resolve());
  });
}

async function watch(url: string): Promise<void> {
  const own: Probed = { milliseconds: [], late: [], statuses: [] };
  probed.set(url, own);
  while (!over) {
    await probe(url);
    const start = performance.now();
    await new Promise((resolve) => setTimeout(resolve, 100));
    own.late.push(performance.now() - start - 100);
  }
}

parentPort?.once("message", () => {
  over = true;
  agent.destroy();
  parentPort?.postMessage(probed);
});
for (const url of workerData as string[]) void watch(url);

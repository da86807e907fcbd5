import { Worker } from "node:worker_threads";
import { type ServingEngine, ServingError, type ServingModel } from "@lowrank/serve";
import { createApp, LiveKeys, type ServingLogger } from "@lowrank/serve/http";
import { listen, promMetrics } from "@lowrank/serve/node";
import { connectEngine } from "@lowrank/serve/worker";
import { pino } from "pino";
import { withInterrupt } from "../../cli/process/interrupt.ts";
import { TerminalView } from "../../cli/terminalView.ts";
import { budgetsOfSettings } from "./budgetSettings.ts";
import { prettyLine, watchEngine } from "./liveView.ts";
import type { ServeSettings } from "./serveSettings.ts";
import { startFineTuning } from "./startFineTuning.ts";
import { watchKeys } from "./watchKeys.ts";

/**
 * Runs the server until a signal interrupts it. The server then refuses new requests, and the promise resolves when all
 * running requests have ended. Rejects if the engine cannot be created, or if its Worker ends.
 */
export async function runServer(settings: ServeSettings, plugins: readonly string[]): Promise<void> {
  const { stderr } = process;
  const view = stderr.isTTY ? new TerminalView(stderr) : null;
  const write = lineWriter(settings, view);
  const logger: ServingLogger = pino({ level: settings["log-level"] }, { write });
  const draining = new AbortController();
  const served = await startFineTuning(settings, plugins, logger);
  const script = new URL(`./engineWorker${import.meta.filename.slice(-3)}`, import.meta.url);
  const worker = new Worker(script, { workerData: { settings, plugins }, stdout: true, stderr: true });
  // Node's own forwarding stops at the first failed write, and then keeps all text in memory.
  worker.stdout.on("data", (text) => process.stdout.write(text));
  worker.stderr.on("data", (text) => process.stderr.write(text));
  const engine = connectEngine(worker);
  const { "api-keys": listed, "api-key-file": keyFile } = settings;
  const keys = listed && new LiveKeys(listed);
  const unwatch = keys && keyFile !== undefined ? watchKeys(keyFile, keys, logger) : () => undefined;
  const app = createApp({
    engine,
    keys,
    allowedHosts: hostsOf(settings),
    limits: {
      bodyBytes: settings["max-body"],
      promptTokens: settings["max-prompt-tokens"],
      pending: settings["max-pending"],
      requestSeconds: settings["request-timeout"],
      sendSeconds: settings["send-timeout"],
    },
    budgets: budgetsOfSettings(settings),
    metrics: promMetrics(),
    logger,
    draining: draining.signal,
    fineTuning: served?.fineTuning,
  });
  const stopped = withInterrupt(
    () => logger.info({}, "draining: new requests are refused; interrupt again to end at once"),
    async (signal) => {
      const ended = new Promise<never>((_, reject) => {
        worker.once("error", reject);
        worker.once("exit", () => reject(new Error("the engine's Worker has ended; the lines above may say why")));
      });
      ended.catch(() => {});
      const server = await listen(app, settings.port, settings.host, { sendSeconds: settings["send-timeout"] });
      let closed: Promise<void> | undefined;
      try {
        const model = await Promise.race([engine.model(), ended, aborted(signal)]);
        if (model === undefined) return;
        const adapters = await countAdapters(engine);
        const title = `${model.name} on ${server.url}`;
        console.log(`serving ${title}, with ${adaptersText(adapters)}`);
        logger.info({ url: server.url, model: model.name, adapters }, "serving");
        const shortened = lengthNote(model, settings);
        if (shortened !== null) logger.warn({ max_model_len: model.maxPositions }, shortened);
        if (!settings["api-keys"] && !isLoopback(settings.host)) {
          logger.warn(
            { host: settings.host },
            "there are no keys: every client that reaches this address may do everything, except pages of other origins; " +
              "browsers and proxies that use a host name need --allowed-hosts; see also --api-key-file",
          );
        }
        const viewing = view ? watchEngine(view, title, engine) : undefined;
        await Promise.race([aborted(signal), ended]).finally(() => {
          clearInterval(viewing);
          view?.show([]);
        });
        draining.abort();
        // A load balancer tries the next server if the port is closed, but passes a 503 on to the client.
        closed = server.close();
        await Promise.race([engine.drain(), ended]);
      } finally {
        draining.abort();
        await (closed ?? server.close());
      }
    },
  );
  try {
    await stopped;
  } finally {
    unwatch();
    await served?.close();
    worker.removeAllListeners("exit");
    await worker.terminate();
  }
}

/** Returns the number of adapters; null if their store is unavailable. The engine tries the store again later. */
async function countAdapters(engine: ServingEngine): Promise<number | null> {
  try {
    return (await engine.adapters()).length;
  } catch (error) {
    if (error instanceof ServingError && error.code === "unavailable") return null;
    throw error;
  }
}

function aborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve(undefined);
    else signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

/** Returns a function that prints a line of pino's log, as JSON or formatted. A live view stays below the lines. */
function lineWriter(settings: ServeSettings, view: TerminalView | null): (line: string) => void {
  const write = (text: string) => void (view ? view.write(text) : process.stderr.write(text));
  const format = settings["log-format"] ?? (view ? "pretty" : "json");
  if (format === "json") return write;
  return (line) => write(prettyLine(line, { colors: view !== null }));
}

/** Default size of the KV cache in MiB. */
const usualMiB = 256;

/**
 * Returns a warning if the KV cache limits sequences to fewer tokens than the model supports. The warning names the
 * setting that raises the limit. Returns null if there is no such limit, or if the setting `max-model-len` is given.
 */
export function lengthNote(
  { maxPositions, modelPositions }: Pick<ServingModel, "maxPositions" | "modelPositions">,
  settings: Pick<ServeSettings, "max-model-len" | "kv-cache-tokens">,
): string | null {
  if (maxPositions >= modelPositions || settings["max-model-len"] !== undefined) return null;
  const needed = Math.ceil((usualMiB * modelPositions) / maxPositions);
  const memory = settings["kv-cache-tokens"] === undefined ? `, about ${needed} MiB instead of ${usualMiB}` : "";
  return (
    `sequences have at most ${maxPositions} tokens, and the model takes ${modelPositions}: ` +
    `the cache holds no more; give --kv-cache-tokens ${modelPositions} for all of them${memory}, ` +
    `or --max-model-len ${maxPositions} to accept the limit`
  );
}

/** Formats a number of adapters; null is an unknown number. */
export function adaptersText(count: number | null): string {
  if (count === null) return "no adapters yet";
  return `${count} adapter${count === 1 ? "" : "s"}`;
}

/**
 * Returns the host names that requests may use: the names listed in the settings, and `host` if it is a name. Returns
 * undefined if the server has API keys and the settings list no names: every host name is then allowed.
 */
export function hostsOf(
  settings: Pick<ServeSettings, "allowed-hosts" | "api-keys" | "host">,
): readonly string[] | undefined {
  const { "allowed-hosts": listed, "api-keys": keys, host } = settings;
  const isName = /[a-z]/i.test(host) && !host.includes(":");
  if (listed === undefined && keys) return undefined;
  return [...(listed ?? []), ...(isName ? [host] : [])];
}

/** Returns true for a loopback address. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\./.test(host);
}

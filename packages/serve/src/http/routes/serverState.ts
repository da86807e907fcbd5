import { visibleStats } from "../../access/mayUse.ts";
import type { ServingEngine } from "../../api/api.ts";
import type { Caller } from "../../api/caller.ts";
import { version } from "../../api/version.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { HttpError } from "../requests/httpError.ts";
import { sseEvent, sseResponse } from "../streams/sse.ts";

/** Milliseconds between events of `/stats`. */
const statsInterval = 250;

/** Adds `/health`, `/ready`, `/metrics` and `/stats`. */
export function addServerState(app: ServingApp, context: AppContext): void {
  const { engine, metrics } = context;
  addRoute(app, context, {
    method: "get",
    path: "/health",
    summary: "200 while the process and its engine live.",
    open: true,
    quiet: true,
    whileDraining: true,
    answer: async (c) => {
      const state = await engineState(engine);
      return c.json({ status: state }, state === "dead" ? 503 : 200);
    },
  });
  addRoute(app, context, {
    method: "get",
    path: "/ready",
    summary: "200 while new requests are taken.",
    open: true,
    quiet: true,
    whileDraining: true,
    answer: async (c) => {
      const state = context.draining.aborted ? "draining" : await engineState(engine);
      return c.json({ status: state }, state === "ready" ? 200 : 503);
    },
  });
  addRoute(app, context, {
    method: "get",
    path: "/metrics",
    summary: "Counts and times, for Prometheus. With keys, it takes one of an operator.",
    quiet: true,
    whileDraining: true,
    answer: async (c) => {
      if (!c.get("caller").operator) {
        const message = "This key may not read /metrics; its entry in the server's keys needs operator: true.";
        throw new HttpError(403, message, { type: "permission_error", code: "forbidden" });
      }
      const [stats, { name: model }] = await Promise.all([engine.stats(), engine.model()]);
      const [budgets, jobs] = await Promise.all([context.budgetUses(stats), context.countJobs()]);
      const text = await metrics.render({ stats, budgets, model, jobs });
      return c.body(text, 200, { "content-type": metrics.contentType });
    },
  });
  addRoute(app, context, {
    method: "get",
    path: "/stats",
    summary: "The state of the engine, as server-sent events: whole for an operator, else the key's own requests.",
    whileDraining: true,
    answer: (c) => {
      const gone = new AbortController();
      const signal = AbortSignal.any([c.req.raw.signal, gone.signal, c.get("revoked")]);
      const log = c.get("log");
      const { promise, resolve } = Promise.withResolvers<void>();
      log.ended = promise;
      return sseResponse(
        c,
        watch(context, () => context.findCaller(c.req.header("authorization")), signal, resolve),
        {
          sendSeconds: context.limits.sendSeconds,
          onError: (error) => {
            log.error = error;
          },
          onCancel: () => {
            gone.abort();
            resolve();
          },
        },
      );
    },
  });
}

async function* watch(
  context: AppContext,
  findCaller: () => Promise<Caller | null>,
  signal: AbortSignal,
  onEnd: () => void,
): AsyncGenerator<string, void, undefined> {
  try {
    while (!signal.aborted) {
      // The rights of the key may change while the stream is open.
      const caller = await findCaller();
      if (caller === null) return;
      yield sseEvent(visibleStats(await context.engine.stats(), caller));
      await new Promise<void>((resolve) => {
        const go = () => {
          clearTimeout(timer);
          signal.removeEventListener("abort", go);
          resolve();
        };
        const timer = setTimeout(go, statsInterval);
        signal.addEventListener("abort", go);
      });
      if (context.draining.aborted) return;
    }
  } finally {
    onEnd();
  }
}

/** Milliseconds to wait for `engine.model()`, which needs no forward pass. An engine that takes longer is "loading". */
const patience = 25;

/** State of an engine, as in liveness and readiness probes. */
type EngineState = "ready" | "loading" | "dead";

/** Returns "ready" if the engine answers, "loading" if it does not answer soon, and "dead" if it fails. */
async function engineState(engine: ServingEngine): Promise<EngineState> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<EngineState>((resolve) => {
    timer = setTimeout(() => resolve("loading"), patience);
  });
  const told = engine.model().then(
    (): EngineState => "ready",
    (): EngineState => "dead",
  );
  return Promise.race([told, waited]).finally(() => clearTimeout(timer));
}

/** Adds vLLM's `/version`, `/ping` and `/load`. */
export function addSmallRoutes(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "get",
    path: "/version",
    summary: "The server's version.",
    open: true,
    quiet: true,
    whileDraining: true,
    answer: (c) => c.json({ version }),
  });
  for (const method of ["get", "post"] as const) {
    addRoute(app, context, {
      method,
      path: "/ping",
      summary: "200 while the process and its engine live, as /health.",
      open: true,
      quiet: true,
      whileDraining: true,
      answer: async (c) => c.body(null, (await engineState(context.engine)) === "dead" ? 503 : 200),
    });
  }
  addRoute(app, context, {
    method: "get",
    path: "/load",
    summary: "The running chats, completions and embeddings: of the key, or all of them for an operator.",
    quiet: true,
    whileDraining: true,
    answer: (c) => c.json({ server_load: context.load.seenBy(c.get("caller")) }),
  });
}

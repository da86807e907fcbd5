import { visibleStats } from "../../access/stats.ts";
import type { Caller } from "../../api/caller.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { engineState } from "../requests/engineState.ts";
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

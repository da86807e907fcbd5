import { OpenAPIHono } from "@hono/zod-openapi";
import { checkOptions, keysOf } from "@lowrank/core/internal";
import type { ServingEngine } from "../api/api.ts";
import { anyone } from "../api/caller.ts";
import { budgetsOf, checkBudgets, defaultBudgets, type KeyBudgets } from "../budgets/keyBudgets.ts";
import { allowedHosts, crossSiteProblem } from "../origins/crossSiteProblem.ts";
import { pageResponse } from "../page/page.ts";
import { type ApiKey, callerFinder, type FindCaller, LiveKeys } from "./app/apiKeys.ts";
import {
  AppContext,
  type AppEnv,
  type AppRequest,
  type RequestLog,
  RunningRequests,
  type ServingApp,
} from "./app/appContext.ts";
import { noLogger, noMetrics, type ServingLogger, type ServingMetrics } from "./metrics/observers.ts";
import { HttpError, toHttpError } from "./requests/httpError.ts";
import { defaultLimits, type ServingLimits } from "./requests/limits.ts";
import { addChat } from "./routes/chat.ts";
import { addCompletions } from "./routes/completions.ts";
import { addEmbeddings } from "./routes/embeddings.ts";
import { addFineTuning, type FineTuning } from "./routes/fineTuning.ts";
import { addLoraAdapters } from "./routes/loraAdapters.ts";
import { addModels } from "./routes/models.ts";
import { addServerState, addSmallRoutes } from "./routes/serverState.ts";
import { addTokenize } from "./routes/tokenize.ts";

/** Options for `createApp`. */
export interface AppOptions {
  readonly engine: ServingEngine;
  /** API keys. A `LiveKeys` can be changed while the server runs. Default: none, and everyone may do everything. */
  readonly keys?: readonly ApiKey[] | LiveKeys;
  /**
   * Host names at which clients reach the server, such as the name of a proxy. `localhost` and IP addresses are always
   * allowed. `.example.com` includes all subdomains, and `*` allows every name. Requests to other names, and from pages
   * of other origins, get status 403. Default on a server without keys: no further names. A server with keys makes
   * these checks only if this option is set, since browsers never add an API key to requests of other sites' pages.
   */
  readonly allowedHosts?: readonly string[];
  readonly limits?: Partial<ServingLimits>;
  /** Values of the budgets that an API key does not set itself. Default: `defaultBudgets`. */
  readonly budgets?: Partial<KeyBudgets>;
  readonly metrics?: ServingMetrics;
  readonly logger?: ServingLogger;
  /** Signal that makes the server refuse new requests when it is aborted. Running requests continue. */
  readonly draining?: AbortSignal;
  /** Enables files and fine-tunes. Default: disabled. */
  readonly fineTuning?: FineTuning;
}

/**
 * Creates the server's app for an engine: OpenAI's API, and vLLM's for adapters. Its `fetch` is a handler for Node
 * (with `@hono/node-server`), Deno, Bun and workers.
 */
export function createApp(options: AppOptions): ServingApp {
  checkOptions<AppOptions>("createApp", options, {
    ...({ engine: true, keys: true, allowedHosts: true, limits: true, budgets: true } as const),
    ...({ metrics: true, logger: true, draining: true, fineTuning: true } as const),
  });
  const limitKeys = { ...keysOf(defaultLimits), promptTokens: true } as const;
  checkOptions<Partial<ServingLimits>>("createApp: limits", options.limits ?? {}, limitKeys);
  checkOptions<Partial<KeyBudgets>>("createApp: budgets", options.budgets ?? {}, keysOf(defaultBudgets));
  checkBudgets("createApp", options.budgets ?? {});
  const everyone = { ...anyone, budgets: budgetsOf(undefined, options.budgets), shared: false };
  const running = new RunningRequests();
  const context = new AppContext({
    running,
    engine: options.engine,
    limits: { ...defaultLimits, ...options.limits },
    metrics: options.metrics ?? noMetrics,
    logger: options.logger ?? noLogger,
    draining: options.draining ?? new AbortController().signal,
    findCaller: options.keys ? liveFinder(options.keys, options.budgets, running) : async () => everyone,
  });
  const app: ServingApp = new OpenAPIHono<AppEnv>();
  app.use(async (c, next) => {
    const start = performance.now();
    const log: RequestLog = { id: requestIdOf(c.req.header("x-request-id")), route: "other" };
    c.set("log", log);
    await next();
    c.header("x-request-id", log.id);
    if (c.get("budgeted")) {
      for (const [name, value] of Object.entries(context.budgets.headers(c.get("caller")))) c.header(name, value);
    }
    const { status } = c.res;
    void (log.ended ?? Promise.resolve()).then(() => {
      if (log.counted) context.load.change(log.tenant ?? "", -1);
      c.get("ended")?.();
      writeLog(context, c, log, status, performance.now() - start);
    });
  });
  app.use(async (c, next) => {
    checkRequestId(c.req.header("x-request-id"));
    await next();
  });
  if (!options.keys || options.allowedHosts) {
    const allowed = allowedHosts(options.allowedHosts ?? []);
    app.use(async (c, next) => {
      const problem = crossSiteProblem(c.req.raw, allowed);
      if (problem === null) return next();
      // The rest of an upload is not read, so the connection must close.
      throw new HttpError(403, problem.message, { type: "permission_error", code: problem.code, closes: true });
    });
  }
  app.onError((error, c) => {
    c.get("log").error = error;
    return toHttpError(error).response();
  });
  app.notFound((c) => noRoute(app, c.req.method, c.req.path));
  const models = [addChat, addCompletions, addEmbeddings, addModels, addTokenize, addLoraAdapters];
  for (const add of [...models, addServerState, addSmallRoutes]) add(app, context);
  if (options.fineTuning) addFineTuning(app, context, options.fineTuning);
  app.get("/", () => pageResponse());
  app.openAPIRegistry.registerComponent("securitySchemes", "bearer", { type: "http", scheme: "bearer" });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Lowrank", version: "1", description: "Adapters of one base model, by OpenAI's API and vLLM's." },
  });
  return app;
}

/**
 * Returns a function that finds the caller of a request. It always uses the current keys, even after they have changed.
 */
function liveFinder(
  keys: readonly ApiKey[] | LiveKeys,
  budgets: Partial<KeyBudgets> | undefined,
  running: RunningRequests,
): FindCaller {
  const live = keys instanceof LiveKeys ? keys : new LiveKeys(keys);
  let find = callerFinder(live.keys, budgets);
  live.follow((next) => {
    find = callerFinder(next, budgets);
    void running.endRevoked(find);
  });
  return (authorization) => find(authorization);
}

function writeLog(context: AppContext, c: AppRequest, log: RequestLog, status: number, milliseconds: number): void {
  const { ended: _, counted: __, quiet, error, ...facts } = log;
  context.metrics.answered(log.route, status, milliseconds / 1000);
  const fields = { ...facts, method: c.req.method, status, milliseconds: Math.round(milliseconds) };
  const gone = c.req.raw.signal.aborted;
  if (error === undefined || gone) {
    if (!quiet) context.logger.info({ ...fields, gone }, "answered");
  } else if (toHttpError(error).status >= 500) context.logger.error({ ...fields, err: error }, "failed");
  else {
    const { code, message } = toHttpError(error);
    context.logger.warn({ ...fields, code, reason: message }, "refused");
  }
}

/** Format that a client's request id must have. */
const form = /^[\w.:/+=@-]{1,128}$/;

/** Returns the id of a request: the client's `x-request-id` if it is valid, or a new one. */
export function requestIdOf(header: string | undefined): string {
  return header !== undefined && form.test(header) ? header : crypto.randomUUID().replaceAll("-", "");
}

/** Throws if a client's `x-request-id` is malformed. */
export function checkRequestId(header: string | undefined): void {
  if (header === undefined || form.test(header)) return;
  const expected = "send 1 to 128 letters, digits and characters of _ . : / + = @ -, or leave it out";
  throw new HttpError(
    400,
    `The header x-request-id has ${header.length} characters, or some that are not allowed; ${expected}.`,
    {
      param: "x-request-id",
      code: "invalid_request_id",
    },
  );
}

const methods = ["GET", "POST", "DELETE"];

/** Returns the response for a request without a route: 405 if the path has routes for other methods, otherwise 404. */
function noRoute({ router }: ServingApp, method: string, path: string): Response {
  const handlers = (name: string) => router.match(name, path)[0].length;
  // Handlers for every request match this one too.
  const allowed = methods.filter((name) => handlers(name) > handlers(method));
  if (allowed.length === 0) {
    const message = `There is no ${method} ${path} here; /openapi.json lists the routes.`;
    return new HttpError(404, message, { code: "unknown_url" }).response();
  }
  const message = `Not allowed to ${method} on ${path}; its methods are ${allowed.join(" and ")}.`;
  const response = new HttpError(405, message, { code: "method_not_supported" }).response();
  response.headers.set("allow", allowed.includes("GET") ? ["HEAD", ...allowed].join(", ") : allowed.join(", "));
  return response;
}

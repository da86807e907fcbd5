import { z } from "@hono/zod-openapi";
import { HttpError } from "../requests/httpError.ts";
import { readBody } from "../requests/readBody.ts";
import type { AppContext, AppRequest, ServingApp } from "./appContext.ts";

const errorBody = z
  .object({
    error: z.object({
      message: z.string(),
      type: z.string(),
      param: z.string().nullable(),
      code: z.union([z.string(), z.number()]),
    }),
  })
  .openapi("ErrorResponse");

/**
 * OpenAPI schemas of the response headers with a key's rate limits for requests and tokens, named as in OpenAI's API.
 */
const rateLimits = Object.fromEntries(
  ["requests", "tokens"].flatMap((what) => [
    [`x-ratelimit-limit-${what}`, { schema: { type: "string" as const }, description: `The key's budget of ${what}.` }],
    [
      `x-ratelimit-remaining-${what}`,
      { schema: { type: "string" as const }, description: `The ${what} that are left.` },
    ],
    [
      `x-ratelimit-reset-${what}`,
      { schema: { type: "string" as const }, description: "The time until all are left: 1s, 6m0s." },
    ],
  ]),
);

/** Route of the server, with the facts for its entry in the OpenAPI document. */
export interface ServingRoute {
  readonly method: "get" | "post" | "delete";
  readonly path: string;
  readonly summary: string;
  /** Names of the parameters in the path. */
  readonly params?: readonly string[];
  /** Names of the query parameters that the handler `answer` reads. */
  readonly query?: readonly string[];
  /**
   * Schema of a multipart form, for the OpenAPI document only. The handler `answer` reads the form itself and checks it
   * piece by piece.
   */
  readonly form?: z.ZodType;
  /**
   * Schema of the JSON body, for the OpenAPI document only. The handler `answer` checks the body itself, so that
   * unsupported fields get their own error.
   */
  readonly body?: z.ZodType;
  /** Adds response headers with the remaining budgets of the request's key. Default false. */
  readonly budgeted?: boolean;
  /** True if requests need no API key. Default false. */
  readonly open?: boolean;
  /**
   * True for a route that monitoring calls often: its answers are counted, but only failures are logged. Default false.
   */
  readonly quiet?: boolean;
  /** True if `/load` counts the running requests of this route. Default false. */
  readonly counted?: boolean;
  /** True if the route still accepts requests while the server finishes its running ones. Default false. */
  readonly whileDraining?: boolean;
  answer(c: AppRequest, body: unknown): Response | Promise<Response>;
}

/** Adds a route to the app and to its OpenAPI document. */
export function addRoute(app: ServingApp, context: AppContext, route: ServingRoute): void {
  const { method, path, body } = route;
  const json = (schema: z.ZodType) => ({ content: { "application/json": { schema } } });
  const texts = (names: readonly string[]) => z.object(Object.fromEntries(names.map((name) => [name, z.string()])));
  const form = route.form && { content: { "multipart/form-data": { schema: route.form } } };
  app.openAPIRegistry.registerPath({
    method,
    path,
    summary: route.summary,
    security: route.open ? [] : [{ bearer: [] }],
    request: {
      ...(route.params && { params: texts(route.params) }),
      ...(route.query && { query: texts(route.query).partial() }),
      ...(body && { body: { ...json(body), required: true } }),
      ...(form && { body: { ...form, required: true } }),
    },
    responses: {
      200: { description: "The answer.", ...(route.budgeted && { headers: rateLimits }) },
      default: { description: "A failure.", ...json(errorBody) },
    },
  });
  // Model names contain "/"; they are the end of a path.
  const pattern = path.replace(/\{(\w+)\}$/, ":$1{.+}").replace(/\{(\w+)\}\//, ":$1{[^/]+}/");
  app.on(method.toUpperCase(), pattern, async (c) => {
    Object.assign(c.get("log"), { route: path, quiet: route.quiet });
    if (context.draining.aborted && !route.whileDraining) {
      throw new HttpError(503, "The server is shutting down; try again, at another one.", {
        type: "server_error",
        code: "draining",
        retryAfter: 5,
      });
    }
    if (!route.open) {
      const caller = await context.findCaller(c.req.header("authorization"));
      if (caller === null) throw wrongKey(c.req.header("authorization"));
      c.get("log").tenant = caller.tenant;
      c.set("caller", caller);
      if (route.counted) {
        c.get("log").counted = true;
        context.load.change(caller.tenant, 1);
      }
      const { revoked, ended } = context.running.add(c.req.header("authorization"), caller);
      c.set("revoked", revoked);
      c.set("ended", ended);
      c.set("budgeted", route.budgeted);
      context.budgets.see(caller);
    }
    return route.answer(c, body && (await readBody(c.req.raw, context.limits)));
  });
}

function wrongKey(authorization: string | undefined): HttpError {
  const message = authorization
    ? "Incorrect API key provided."
    : "You didn't provide an API key. Send it in the header: Authorization: Bearer YOUR_KEY.";
  return new HttpError(401, message, { code: "invalid_api_key" });
}

import type { ServingApp } from "../app/appContext.ts";
import { HttpError } from "../requests/httpError.ts";

const methods = ["GET", "POST", "DELETE"];

/** Returns the response for a request without a route: 405 if the path has routes for other methods, otherwise 404. */
export function noRoute({ router }: ServingApp, method: string, path: string): Response {
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

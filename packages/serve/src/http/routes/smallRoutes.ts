import { version } from "../../api/version.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { engineState } from "../requests/engineState.ts";

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

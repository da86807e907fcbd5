import { visibleAdapters } from "../access/adapters.ts";
import { isModelOf } from "../access/names.ts";
import { ServingError } from "../api.ts";
import { addRoute } from "./addRoute.ts";
import type { AppContext, ServingApp } from "./appContext.ts";
import { HttpError, modelNotFound } from "./httpError.ts";

/** Adds `DELETE /v1/models/{id}`, for a model that a job of the key has made. */
export function addFineTunedModels(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "delete",
    path: "/v1/models/{id}",
    params: ["id"],
    summary: "Deletes a fine-tuned model of the key.",
    answer: async (c) => {
      const id = c.req.param("id") as string;
      const caller = c.get("caller");
      const model = visibleAdapters(await context.engine.adapters(), caller).find(({ name }) => name === id);
      if (!model) throw modelNotFound(id);
      if (!isModelOf(caller.tenant, id)) {
        const message = `The model \`${id}\` was not made by a job of this key, which alone could be deleted.`;
        throw new HttpError(403, message, { type: "permission_error", code: "forbidden" });
      }
      try {
        await context.engine.unloadAdapter(id, { by: caller });
      } catch (error) {
        throw error instanceof ServingError && error.code === "not_found" ? modelNotFound(id) : error;
      }
      return c.json({ id, object: "model", deleted: true });
    },
  });
}

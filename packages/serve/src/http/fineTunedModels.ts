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
      const { tenant, mayUse } = c.get("caller");
      const model = (await context.engine.adapters()).find(({ name }) => name === id);
      if (!model || !mayUse(id) || model.tenants?.includes(tenant) === false) throw modelNotFound(id);
      if (!id.startsWith("ft:") || model.tenants?.length !== 1) {
        const message = `The model \`${id}\` was not made by a job of this key, which alone could be deleted.`;
        throw new HttpError(403, message, { type: "permission_error", code: "forbidden" });
      }
      await context.engine.unloadAdapter(id);
      return c.json({ id, object: "model", deleted: true });
    },
  });
}

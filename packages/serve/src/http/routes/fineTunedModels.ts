import { visibleAdapters } from "../../access/adapters.ts";
import { isModelOf } from "../../access/names.ts";
import { type ServedAdapter, ServingError } from "../../api/api.ts";
import { type ObjectStore, removeAll } from "../../storage/objects/objectStore.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { HttpError, modelNotFound } from "../requests/httpError.ts";

/** Pattern for the folders of adapters that fine-tuning runs write: the final adapter and checkpoints. */
const runAdapter = /^\.fine-tuning\/runs\/ftjob-[a-z0-9]+\/(adapter|checkpoint-\d+)$/;

/** Adds `DELETE /v1/models/{id}` for models that jobs of the key have made. */
export function addFineTunedModels(app: ServingApp, context: AppContext, objects: ObjectStore): void {
  /** Removes the files of a model, unless another name uses them. */
  const removeFiles = async ({ name, source }: ServedAdapter): Promise<void> => {
    if (!runAdapter.test(source)) return;
    const others = (await context.engine.adapters()).filter((other) => other.name !== name);
    if (others.some((other) => other.source === source)) return;
    await removeAll(objects, `${source}/`);
  };
  addRoute(app, context, {
    method: "delete",
    path: "/v1/models/{id}",
    params: ["id"],
    summary: "Deletes a fine-tuned model of the key, with its files.",
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
      // The model is already removed. Remaining files count as stored bytes of the key.
      await removeFiles(model).catch((error: Error) => {
        context.logger.warn({ model: id, reason: error.message }, "files of a deleted model");
      });
      return c.json({ id, object: "model", deleted: true });
    },
  });
}

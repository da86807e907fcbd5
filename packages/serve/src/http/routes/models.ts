import { mayUse, visibleAdapters } from "../../access/mayUse.ts";
import type { ServedAdapter, ServingModel } from "../../api/api.ts";
import type { Caller } from "../../api/caller.ts";
import { isInternal } from "../../storage/adapterPlace.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { modelNotFound } from "../requests/httpError.ts";

/** Model in OpenAI's list, with vLLM's fields. */
interface ListedModel {
  id: string;
  object: "model";
  created: number;
  owned_by: string;
  /** Folder or storage key of an adapter if the caller may load it; otherwise the adapter's name. */
  root: string;
  /** Base model of an adapter; null for the base model itself. */
  parent: string | null;
  max_model_len: number;
  /**
   * Fields that neither OpenAI's nor vLLM's API has. `task` is the kind of output; `chat_template` is true if the model
   * accepts chats.
   */
  lowrank: { task: ServingModel["task"]; chat_template: boolean };
}

/** Adds `/v1/models` and `/v1/models/{id}`. */
export function addModels(app: ServingApp, context: AppContext): void {
  addRoute(app, context, {
    method: "get",
    path: "/v1/models",
    summary: "Lists the models that the key may use: the base and adapters.",
    answer: async (c) => c.json({ object: "list", data: await listModels(context, c.get("caller")) }),
  });
  addRoute(app, context, {
    method: "get",
    path: "/v1/models/{id}",
    params: ["id"],
    summary: "Describes a model that the key may use.",
    answer: async (c) => {
      const id = c.req.param("id") as string;
      const found = (await listModels(context, c.get("caller"))).find((model) => model.id === id);
      if (!found) throw modelNotFound(id);
      return c.json(found);
    },
  });
}

async function listModels({ engine }: AppContext, caller: Caller): Promise<ListedModel[]> {
  const model = await engine.model();
  // An adapter with the base model's name can never be used.
  const adapters = visibleAdapters(await engine.adapters(), caller).filter(({ name }) => name !== model.name);
  return [
    ...(caller.base ? [listed(model, { name: model.name, source: model.name }, null)] : []),
    ...adapters.map(({ name, source }) => {
      // The caller cannot load another tenant's folder or a job's, so its path is not shown.
      const isOwn = mayUse(caller, { name: source }) && !isInternal(source);
      return listed(model, { name, source: isOwn ? source : name }, model.name);
    }),
  ];
}

function listed(
  { created, maxPositions, task, hasChatTemplate }: ServingModel,
  { name, source }: Pick<ServedAdapter, "name" | "source">,
  parent: string | null,
): ListedModel {
  return {
    id: name,
    object: "model",
    created,
    owned_by: "lowrank",
    root: source,
    parent,
    max_model_len: maxPositions,
    lowrank: { task, chat_template: hasChatTemplate },
  };
}

import { z } from "@hono/zod-openapi";
import { isReserved, mayUse } from "../../access/mayUse.ts";
import { ServingError } from "../../api/api.ts";
import type { Caller } from "../../api/caller.ts";
import { adapterNotFound, outOfScope, reservedName, alreadyLoaded as taken } from "../../storage/storeErrors.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, ServingApp } from "../app/appContext.ts";
import { checkBody, ignored, refused } from "../requests/checkBody.ts";
import { HttpError, toHttpError } from "../requests/httpError.ts";

const loadBody = z
  .strictObject({
    lora_name: z.string().optional(),
    lora_path: z.string().optional(),
    load_inplace: z.boolean().optional().openapi({ description: "Replaces the adapter of this name." }),
    pin: z.boolean().optional().openapi({ description: "Keeps its tensors in memory." }),
  })
  .openapi("LoadLoRAAdapterRequest");

const unloadBody = z.strictObject({ lora_name: z.string().optional() }).openapi("UnloadLoRAAdapterRequest");

const ofLoad = { is_3d_lora_weight: refused("is_3d_lora_weight", (value) => value === false) };
const ofUnload = { lora_int_id: ignored };

/** Adds vLLM's routes that load and unload adapters, for keys with `admin`. */
export function addLoraAdapters(app: ServingApp, context: AppContext): void {
  const { engine } = context;
  addRoute(app, context, {
    method: "post",
    path: "/v1/load_lora_adapter",
    summary: "Registers an adapter of the store under a name.",
    body: loadBody,
    answer: async (c, raw) => {
      checkAdmin(c.get("caller"));
      const { lora_name: name, lora_path: path, load_inplace: replace, pin } = checkBody(loadBody, raw, ofLoad);
      if (!name || !path) throw badInput("Both 'lora_name' and 'lora_path' must be provided.");
      if (isReserved(name)) throw badInput(reservedName(name).message);
      if (!mayUse(c.get("caller"), { name })) throw toHttpError(outOfScope(name));
      // Requests with the base model's name would never use the adapter.
      if (name === (await engine.model()).name) throw alreadyLoaded(name);
      c.get("log").adapter = name;
      try {
        await engine.loadAdapter(name, path, { replace, pin, by: c.get("caller") });
      } catch (error) {
        throw loadFailure(error, name);
      }
      return c.text(`Success: LoRA adapter '${name}' added successfully.`);
    },
  });
  addRoute(app, context, {
    method: "post",
    path: "/v1/unload_lora_adapter",
    summary: "Takes an adapter's name away.",
    body: unloadBody,
    answer: async (c, raw) => {
      checkAdmin(c.get("caller"));
      const { lora_name: name } = checkBody(unloadBody, raw, ofUnload);
      if (!name) throw badInput("'lora_name' needs to be provided to unload a LoRA adapter.");
      c.get("log").adapter = name;
      if (!mayUse(c.get("caller"), { name })) throw notFound(name);
      try {
        await engine.unloadAdapter(name, { by: c.get("caller") });
      } catch (error) {
        throw error instanceof ServingError && error.code === "not_found" ? notFound(name) : error;
      }
      return c.text(`Success: LoRA adapter '${name}' removed successfully.`);
    },
  });
}

function checkAdmin({ admin }: Caller): void {
  if (admin) return;
  const message =
    "This key may not load or unload adapters; its entry in the server's keys needs admin: true or operator: true.";
  throw new HttpError(403, message, { type: "permission_error", code: "forbidden" });
}

function loadFailure(error: unknown, name: string): unknown {
  if (!(error instanceof ServingError)) return error;
  if (error.code === "already_loaded") return alreadyLoaded(name);
  const { status, message } = toHttpError(error);
  if (error.code === "forbidden") return error;
  if (error.code === "not_found") return vllmError(404, "NotFoundError", message);
  return status === 400 ? vllmError(400, "BadRequestError", message) : error;
}

function alreadyLoaded(name: string): HttpError {
  return badInput(taken(name).message);
}

function notFound(name: string): HttpError {
  return vllmError(404, "NotFoundError", adapterNotFound(name).message);
}

function badInput(message: string): HttpError {
  return vllmError(400, "InvalidUserInput", message);
}

/** Returns an error in vLLM's format, in which the field `code` is the HTTP status. */
function vllmError(status: number, type: string, message: string): HttpError {
  return new HttpError(status, message, { type, code: status });
}

import { z } from "@hono/zod-openapi";
import type { Uploads } from "../../budgets/uploads.ts";
import type { StoredFile } from "../../jobs/fileStore.ts";
import { addRoute } from "../app/addRoute.ts";
import type { AppContext, AppRequest, ServingApp } from "../app/appContext.ts";
import { pageOf, pageQuery } from "../app/pages.ts";
import { checkLines } from "../requests/checkLines.ts";
import { HttpError } from "../requests/httpError.ts";
import { readUpload } from "../requests/readUpload.ts";
import { type PacedSource, pacedBody } from "../streams/pacedBody.ts";
import type { FineTuning, FineTuningLimits } from "./fineTuning.ts";

const uploadForm = z
  .object({ file: z.string().openapi({ format: "binary" }), purpose: z.literal("fine-tune") })
  .openapi("CreateFileRequest");

/** Adds `/v1/files`. Each key sees only its own files. */
export function addFiles(
  app: ServingApp,
  context: AppContext,
  { files }: FineTuning,
  uploads: Uploads,
  limits: FineTuningLimits,
): void {
  const fileOf = async (c: AppRequest): Promise<StoredFile> => {
    const id = c.req.param("id") as string;
    const file = await files.find(c.get("caller").tenant, id);
    if (file) return file;
    throw new HttpError(404, `No such File object: ${id}`, { param: "id", code: "file_not_found" });
  };

  addRoute(app, context, {
    method: "post",
    path: "/v1/files",
    summary: "Takes a JSONL file of examples to fine-tune on.",
    form: uploadForm,
    answer: async (c) => {
      const { tenant, budgets } = c.get("caller");
      // Counts as a sequence, since each upload uses memory while it is received.
      const admission = context.budgets.admit(c.get("caller"), { sequences: 1, param: "file" });
      const upload = await uploads.begin(tenant, budgets, sizeOf(c, limits)).catch((error) => {
        admission.end(0);
        throw error;
      });
      let stored = false;
      try {
        const { fields, file } = await readUpload(
          c.req.raw,
          limits,
          (content, filename) => {
            const facts = { filename, purpose: "fine-tune", slot: upload.slot } as const;
            return files.add(tenant, upload.within(checkLines(content)), facts, upload.id);
          },
          (taken) => files.remove(tenant, taken),
        );
        try {
          checkFields(fields);
        } catch (error) {
          if (file) await files.remove(tenant, file);
          throw error;
        }
        if (!file) throw new HttpError(400, "Missing required parameter: 'file'.", missing("file"));
        stored = true;
        return c.json(listed(file));
      } finally {
        admission.end(0);
        await upload.end(stored);
      }
    },
  });
  addRoute(app, context, {
    method: "get",
    path: "/v1/files",
    query: [...pageQuery, "order", "purpose"],
    summary: "Lists the files of the key, the newest first.",
    answer: async (c) => {
      const { tenant } = c.get("caller");
      const read = (ids: readonly string[]) => Promise.all(ids.map((id) => files.find(tenant, id)));
      const purpose = c.req.query("purpose");
      let ids = await files.ids(tenant);
      if (purpose !== undefined) {
        const all = (await read(ids)).filter((file) => file?.purpose === purpose);
        ids = all.flatMap((file) => file?.id ?? []);
      }
      if (c.req.query("order") === "asc") ids.reverse();
      return pageOf(c, ids, { usual: 1000, limit: 10_000 }, async (found) =>
        (await read(found)).flatMap((file) => (file ? [listed(file)] : [])),
      );
    },
  });
  addRoute(app, context, {
    method: "get",
    path: "/v1/files/{id}/content",
    params: ["id"],
    summary: "Gives the content of a file.",
    answer: async (c) => {
      const file = await fileOf(c);
      const pieces = files.content(file)[Symbol.asyncIterator]();
      const log = c.get("log");
      const { promise, resolve } = Promise.withResolvers<void>();
      // The body of an answer to HEAD is never read.
      if (c.req.method !== "HEAD") log.ended = promise;
      const source: PacedSource = {
        next: async () => {
          c.get("revoked").throwIfAborted();
          const { done, value } = await pieces.next();
          if (done) resolve();
          return done ? null : value;
        },
        cancel: (reason) => {
          if (reason) log.error = reason;
          resolve();
          void pieces.return?.(undefined)?.catch(() => undefined);
        },
      };
      // The file is opened at the first read.
      const body = pacedBody(c, context.limits.sendSeconds, source, { highWaterMark: 0 });
      const headers = { "content-type": "application/octet-stream", "content-length": String(file.bytes) };
      return new Response(body, { headers });
    },
  });
  addRoute(app, context, {
    method: "get",
    path: "/v1/files/{id}",
    params: ["id"],
    summary: "Describes a file.",
    answer: async (c) => c.json(listed(await fileOf(c))),
  });
  addRoute(app, context, {
    method: "delete",
    path: "/v1/files/{id}",
    params: ["id"],
    summary: "Deletes a file. A job that has not begun to train on it fails.",
    answer: async (c) => {
      const file = await fileOf(c);
      const { tenant } = c.get("caller");
      await files.remove(tenant, file);
      if (file.slot) await (await uploads.slots(tenant)).release(file.slot, file.id);
      return c.json({ id: file.id, object: "file", deleted: true });
    },
  });
}

/**
 * Returns the number of bytes to reserve for an upload. `exact` is true if this is the request's content length.
 * Without a content length, it is the maximum size of an upload.
 */
function sizeOf(c: AppRequest, { uploadBytes }: FineTuningLimits): { bytes: number; exact: boolean } {
  const length = Number(c.req.header("content-length") ?? Number.NaN);
  return Number.isFinite(length)
    ? { bytes: Math.min(length, uploadBytes), exact: true }
    : { bytes: uploadBytes, exact: false };
}

function checkFields({ purpose, ...others }: Readonly<Record<string, string>>): void {
  if (purpose === undefined) throw new HttpError(400, "Missing required parameter: 'purpose'.", missing("purpose"));
  if (purpose !== "fine-tune") {
    const message = `Invalid 'purpose': this server takes files of purpose 'fine-tune', and it is '${purpose}'.`;
    throw new HttpError(400, message, { param: "purpose", code: "invalid_value" });
  }
  const [other] = Object.keys(others);
  if (other === undefined) return;
  const message = `Unrecognized request argument supplied: ${other}`;
  throw new HttpError(400, message, { param: other, code: "unknown_parameter" });
}

function missing(param: string) {
  return { param, code: "missing_required_parameter" };
}

/** Returns a file in OpenAI's format. */
function listed({ id, bytes, createdAt, filename, purpose }: StoredFile) {
  return { id, object: "file", bytes, created_at: createdAt, filename, purpose, status: "processed" };
}

import { z } from "@hono/zod-openapi";

/** Schema of a request's `model`. Names are shorter; a longer one would fill the log. */
export const modelName: z.ZodType<string> = z.string().max(1024);

import { z } from "@hono/zod-openapi";

/** The schema of a request's `model`. No name is longer, and one that is would fill the log. */
export const modelName: z.ZodType<string> = z.string().max(1024);

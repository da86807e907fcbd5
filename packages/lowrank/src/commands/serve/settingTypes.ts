import { z } from "zod";
import { parseBytes } from "../../cli/byteCount.ts";

/** Schema of a size: a number of bytes, or a text such as "256MB". */
export const bytes: z.ZodType<number> = z.union([z.int().min(1), z.string()]).transform((value, context) => {
  const found = typeof value === "number" ? value : parseBytes(value);
  if (found !== null) return found;
  context.addIssue(`expected a number of bytes, such as 256MB, and it is "${value}"`);
  return z.NEVER;
});

/** Schema of a whole number above 0. */
export const count: z.ZodInt = z.int().min(1);

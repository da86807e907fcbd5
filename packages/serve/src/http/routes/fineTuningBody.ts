import { z } from "@hono/zod-openapi";
import type { FineTuneJob, JobMethod, OptionValue } from "../../jobs/job.ts";
import { modelName, refused, type Unsupported } from "../requests/checkBody.ts";

const auto = (schema: z.ZodType<number>) => z.union([z.literal("auto"), schema]);
const hyperparameters = {
  batch_size: auto(z.int().min(1).max(256)).optional(),
  learning_rate_multiplier: auto(z.number().gt(0)).optional(),
  n_epochs: auto(z.int().min(1).max(50)).optional(),
};
const supervised = z.strictObject(hyperparameters);
const dpo = z.strictObject({ ...hyperparameters, beta: auto(z.number().gt(0).max(2)).optional() });
const fileId = z.string().max(100);

/** Hyperparameters that a client sends with a job. */
type Hyperparameters = Readonly<Record<string, number | "auto" | undefined>>;

/** Body of a request that creates a fine-tuning job. */
export interface JobBody {
  readonly model: string;
  readonly training_file: string;
  readonly validation_file?: string;
  readonly method?: {
    readonly type: JobMethod;
    readonly supervised?: { readonly hyperparameters?: Hyperparameters };
    readonly dpo?: { readonly hyperparameters?: Hyperparameters };
  };
  /** Deprecated field of OpenAI's API for the hyperparameters of the method "supervised". */
  readonly hyperparameters?: Hyperparameters;
  readonly seed?: number;
  readonly suffix?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly lowrank?: { readonly options?: Readonly<Record<string, OptionValue>>; readonly priority?: number };
}

/** Schema of the body that creates a job. Fields that OpenAI's API lacks are under `lowrank`. */
export const jobBody: z.ZodType<JobBody> = z
  .strictObject({
    model: modelName,
    training_file: fileId,
    validation_file: fileId.optional(),
    method: z
      .strictObject({
        type: z.enum(["supervised", "dpo"]),
        supervised: z.strictObject({ hyperparameters: supervised.optional() }).optional(),
        dpo: z.strictObject({ hyperparameters: dpo.optional() }).optional(),
      })
      .optional(),
    hyperparameters: supervised.optional().openapi({ deprecated: true }),
    seed: z.int().min(0).max(0xffffffff).optional(),
    suffix: z
      .string()
      .regex(/^[\w.-]{1,64}$/, "expected 1 to 64 letters, digits, '_', '.' or '-'")
      .optional(),
    metadata: z
      .record(z.string().max(64), z.string().max(512))
      .refine((pairs) => Object.keys(pairs).length <= 16, "expected at most 16 pairs")
      .optional(),
    lowrank: z
      .strictObject({
        options: z
          .record(z.string(), z.union([z.string(), z.number(), z.boolean()]))
          .optional()
          .openapi({ description: "Options of `lowrank train` by their names: r, alpha, target-modules, lr ..." }),
        priority: z
          .int()
          .min(0)
          .max(100)
          .optional()
          .openapi({ description: "Jobs with a larger number wait for jobs with a smaller one. Default 0." }),
      })
      .optional()
      .openapi({ description: "Fields that OpenAI's API lacks." }),
  })
  .openapi("CreateFineTuningJobRequest");

/** Fields of OpenAI's API that are not supported. */
export const ofJob: Unsupported = {
  integrations: refused("integrations", (value) => Array.isArray(value) && value.length === 0),
};

/** Returns the training method and its hyperparameters from the body that creates a job. */
export function methodOf({ method, hyperparameters: old }: JobBody): Pick<FineTuneJob, "method" | "hyperparameters"> {
  const type = method?.type ?? "supervised";
  const given = method?.[type]?.hyperparameters ?? (type === "supervised" ? old : undefined);
  const hyperparameters: Record<string, OptionValue> = {};
  for (const [name, value] of Object.entries(given ?? {})) if (value !== undefined) hyperparameters[name] = value;
  return { method: type, hyperparameters };
}

import type { FineTuneJob, JobEnd, JobEvent, JobState } from "../../jobs/job.ts";
import { statusOf } from "../../jobs/jobCounts.ts";
import { checkpointName } from "../../jobs/publish.ts";

/** Object of OpenAI's API in a list: a job, an event or a checkpoint. */
interface Listed {
  readonly id: string;
  readonly object: string;
  readonly [field: string]: unknown;
}

/**
 * Returns the final status of a job in answers to clients; null while the job runs. A successful job counts as ended
 * there only once its model is in the manifest.
 */
function visibleEnd({ end, settled }: Pick<JobState, "end" | "settled">): JobEnd | null {
  return end?.status === "succeeded" && !settled ? null : end;
}

/** Returns a job in OpenAI's format. */
export function listedJob({ job, progress, paused, ...state }: JobState): Listed & { readonly status: string } {
  const end = visibleEnd(state);
  const {
    n_epochs = "auto",
    batch_size = "auto",
    learning_rate_multiplier = "auto",
    ...others
  } = {
    ...job.hyperparameters,
    ...progress?.hyperparameters,
  };
  const hyperparameters = { n_epochs, batch_size, learning_rate_multiplier };
  return {
    id: job.id,
    object: "fine_tuning.job",
    created_at: job.createdAt,
    model: job.model,
    organization_id: job.owner,
    status: statusOf({ job, progress, paused, ...state }),
    fine_tuned_model: end?.status === "succeeded" ? job.name : null,
    finished_at: end?.at ?? null,
    estimated_finish: end ? null : (progress?.finishAt ?? null),
    trained_tokens: end?.trainedTokens ?? null,
    training_file: job.trainingFile,
    validation_file: job.validationFile,
    result_files: end?.resultFiles ?? [],
    error: end?.error ?? null,
    seed: job.seed,
    suffix: job.suffix,
    hyperparameters,
    method: { type: job.method, [job.method]: { hyperparameters: { ...hyperparameters, ...others } } },
    integrations: [],
    metadata: job.metadata,
    lowrank: { options: job.options, priority: job.priority },
  };
}

/** Returns the events of a job in OpenAI's format, newest first. */
export function listedEvents({ job, ...state }: JobState, log: readonly JobEvent[]): Listed[] {
  const end = visibleEnd(state);
  const told = (key: string, at: number, message: string, level: JobEvent["level"] = "info"): JobEvent => {
    return { key, at, level, message, type: "message" };
  };
  const last: Record<string, () => JobEvent[]> = {
    succeeded: () => [
      told("model", end!.at, `New fine-tuned model created: ${job.name}`),
      told("succeeded", end!.at, "The job has successfully completed"),
    ],
    failed: () => [told("failed", end!.at, end!.error?.message ?? "The job failed", "error")],
    cancelled: () => [told("cancelled", end!.at, "The job was cancelled", "warn")],
  };
  const events = [
    told("created", job.createdAt, `Created fine-tuning job: ${job.id}`),
    ...log,
    ...(end ? last[end.status]() : []),
  ];
  return events.reverse().map(({ key, at, data = null, ...event }) => ({
    id: `ftevent-${job.id.slice(job.id.indexOf("-") + 1)}-${key}`,
    object: "fine_tuning.job.event",
    created_at: at,
    ...event,
    data,
  }));
}

/** Returns the checkpoints of the given steps in OpenAI's format, newest first. */
export function listedCheckpoints(job: FineTuneJob, steps: readonly number[], log: readonly JobEvent[]): Listed[] {
  return steps.toReversed().map((step) => {
    const at = log.find(({ data }) => data?.step === step)?.at ?? job.createdAt;
    const metrics = Object.assign({}, ...log.flatMap(({ data }) => (data?.step === step ? [data] : []))) as object;
    return {
      id: `ftckpt-${job.id.slice(job.id.indexOf("-") + 1)}-${step}`,
      object: "fine_tuning.job.checkpoint",
      created_at: at,
      fine_tuned_model_checkpoint: checkpointName(job, step),
      fine_tuning_job_id: job.id,
      step_number: step,
      metrics,
    };
  });
}

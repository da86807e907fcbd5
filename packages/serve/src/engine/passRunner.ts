import { cat, noGrad, reshape, scope, sync, type Tensor, tensor, withBackend } from "@lowrank/core";
import { checkLogits } from "@lowrank/core/internal";
import type { CausalLM } from "@lowrank/models";
import { raggedHidden } from "@lowrank/models/internal";
import type { PagedKVCache } from "@lowrank/nn";
import { setBatch } from "@lowrank/nn/internal";
import { ServingError } from "../api/api.ts";
import { chooseTokens, type LogprobTensors, logprobsOf, rowsOf } from "./answers/chooseTokens.ts";
import type { RowLogprobs, ServedRequest } from "./answers/servedRequest.ts";
import type { ModelAdapters } from "./modelAdapters.ts";
import type { Chunk } from "./scheduling/sequence.ts";

/** Results of a pass for the tokens of one request. */
export interface ChunkResult {
  readonly chunk: Chunk<ServedRequest>;
  /** Next token; null if the prompt is not complete yet. An error if no token can be chosen. */
  readonly token: number | null | Error;
  readonly logprobs: RowLogprobs | null;
  /** Log-probabilities of prompt tokens that this pass predicted, by position. Empty unless requested. */
  readonly prompt: readonly { readonly position: number; readonly row: RowLogprobs }[];
}

/** Row of a pass (one token of a sequence) whose logits are needed. */
interface WantedRow {
  readonly chunk: Chunk<ServedRequest>;
  /** Index of the row in the pass. */
  readonly row: number;
  /** Prompt position whose token the row's logits predict; null if they predict the next token after the sequence. */
  readonly position: number | null;
}

/** Runs forward passes over the tokens of any sequences, and chooses their next tokens from the logits. */
export class PassRunner {
  readonly #model: CausalLM;
  readonly #adapters: ModelAdapters | null;
  readonly #cache: PagedKVCache;

  constructor(model: CausalLM, adapters: ModelAdapters | null, cache: PagedKVCache) {
    this.#model = model;
    this.#adapters = adapters;
    this.#cache = cache;
  }

  /**
   * Runs one pass. Returns one result per chunk (the tokens of one sequence). Results may be in another order than the
   * given chunks, since chunks with the same adapter are computed next to each other.
   */
  async run(given: readonly Chunk<ServedRequest>[]): Promise<ChunkResult[]> {
    const chunks = byVersion(given);
    const wanted = wantedRows(chunks);
    const { backend } = this.#model;
    const made = withBackend(backend, () => noGrad(() => scope(() => this.#record(chunks, wanted))));
    try {
      return await this.#read(chunks, wanted, made);
    } finally {
      for (const tensor of tensorsOf(made)) tensor.dispose();
    }
  }

  /** Starts the computation of the whole pass. `#read` awaits the results. */
  #record(chunks: readonly Chunk<ServedRequest>[], wanted: readonly WantedRow[]): PassTensors {
    const { batch, versions } = passRows(chunks);
    const { taskIds, aloraOffsets } = batch;
    const hidden = this.#underAdapters(versions, () => raggedHidden(this.#model, batch, this.#cache));
    if (wanted.length === 0) return { logits: null, tokens: null, logprobs: null };
    const rows = rowsOf(
      hidden,
      wanted.map(({ row }) => row),
    );
    const ofWanted = wanted.map(({ row }) => versions[row]);
    const head = this.#underAdapters(ofWanted, () => {
      const ofRows = <T>(values: readonly T[]) => wanted.map(({ row }) => values[row]);
      setBatch({ taskIds: ofRows(taskIds), aloraOffsets: ofRows(aloraOffsets) });
      return this.#model.logitsOf(rows);
    });
    const logits = reshape(head, [wanted.length, this.#model.vocabSize]);
    const next = wanted.filter(({ position }) => position === null);
    const tokens = next.length > 0 ? this.#choose(logits, wanted, next) : null;
    return { logits, tokens, logprobs: this.#logprobs(logits, tokens, wanted, next) };
  }

  #underAdapters<T>(versions: readonly (string | null)[], run: () => T): T {
    return this.#adapters ? this.#adapters.run(versions, run) : run();
  }

  #choose(logits: Tensor, wanted: readonly WantedRow[], next: readonly WantedRow[]): Tensor {
    const choices = next.map(({ chunk: { sequence } }) => ({
      sampling: sequence.settings.sampling,
      index: sequence.newTokens,
      edits: sequence.edits(),
    }));
    return chooseTokens(
      rowsOf(
        logits,
        next.map((row) => wanted.indexOf(row)),
      ),
      choices,
    );
  }

  #logprobs(
    logits: Tensor,
    tokens: Tensor | null,
    wanted: readonly WantedRow[],
    next: readonly WantedRow[],
  ): LogprobTensors | null {
    const asked = withLogprobs(wanted);
    if (asked.length === 0) return null;
    const ofNext = asked.filter(({ position }) => position === null).map((row) => next.indexOf(row));
    const ofPrompt = asked.flatMap(({ chunk, position }) =>
      position === null ? [] : [chunk.sequence.tokens[position]],
    );
    const parts = [
      ...(tokens && ofNext.length > 0 ? [rowsOf(tokens, ofNext)] : []),
      ...(ofPrompt.length > 0 ? [tensor(Int32Array.from(ofPrompt))] : []),
    ];
    const most = Math.max(...asked.map((row) => likeliestOf(row) ?? 0));
    const withRanks = asked.some(({ chunk }) => chunk.sequence.settings.promptLogprobs !== null);
    const rows = rowsOf(
      logits,
      asked.map((row) => wanted.indexOf(row)),
    );
    return logprobsOf(rows, parts.length === 1 ? parts[0] : cat(parts, { dim: 0 }), most, withRanks);
  }

  async #read(
    chunks: readonly Chunk<ServedRequest>[],
    wanted: readonly WantedRow[],
    { logits, tokens, logprobs }: PassTensors,
  ): Promise<ChunkResult[]> {
    if (!tokens && !logprobs) await sync(this.#model.backend);
    const [chosen, ofTokens, values, likeliest, ranks] = await Promise.all(
      [tokens, logprobs?.ofTokens, logprobs?.top?.[0], logprobs?.top?.[1], logprobs?.ranks].map((t) => t?.data()),
    );
    const asked = withLogprobs(wanted);
    const rowOf = (wantedRow: WantedRow): RowLogprobs | null => {
      const at = asked.indexOf(wantedRow);
      if (at < 0 || !ofTokens) return null;
      const k = logprobs?.top?.[0].shape[1] ?? 0;
      const top = Array.from({ length: likeliestOf(wantedRow) ?? 0 }, (_, i) => {
        return { token: likeliest![at * k + i] as number, logprob: values![at * k + i] as number };
      });
      // The pass has ranks if any of its requests needs them.
      const ranked = wantedRow.chunk.sequence.settings.promptLogprobs !== null;
      return { logprob: ofTokens[at] as number, rank: ranked ? (ranks![at] as number) : null, top };
    };
    const next = wanted.filter(({ position }) => position === null);
    const places = new Map(next.map(({ chunk }, at) => [chunk, at]));
    const ofPrompts = wanted.filter(({ position }) => position !== null);
    const results: ChunkResult[] = [];
    for (const chunk of chunks) {
      const at = places.get(chunk) ?? -1;
      const token = at < 0 ? null : (chosen![at] as number);
      const prompt = ofPrompts.flatMap((row) => {
        return row.chunk === chunk ? [{ position: row.position!, row: rowOf(row)! }] : [];
      });
      const usable = token === null || token >= 0 ? token : await reason(logits!, wanted.indexOf(next[at]));
      results.push({ chunk, token: usable, logprobs: at < 0 ? null : rowOf(next[at]), prompt });
    }
    return results;
  }
}

/** Tensors that a pass creates. */
interface PassTensors {
  readonly logits: Tensor | null;
  /**
   * Chosen next tokens, i32, one for each sequence that gets a next token in this pass. Null if no sequence gets one.
   */
  readonly tokens: Tensor | null;
  readonly logprobs: LogprobTensors | null;
}

function tensorsOf({ logits, tokens, logprobs }: PassTensors): Tensor[] {
  const all = [logits, tokens, logprobs?.ofTokens, ...(logprobs?.top ?? []), logprobs?.ranks];
  return all.filter((tensor) => tensor !== null && tensor !== undefined);
}

/** Returns the error for a sequence whose logits allow no next token. */
async function reason(logits: Tensor, row: number): Promise<Error> {
  const [, V] = logits.shape;
  const all = (await logits.data()) as Float32Array;
  try {
    checkLogits(all.subarray(row * V, (row + 1) * V));
  } catch (error) {
    return error as Error;
  }
  const what =
    "no token is left after the request's logit_bias, penalties, bad_words, allowed_token_ids and min_tokens";
  return new ServingError("invalid_request", `${what}; relax some of them`, "logit_bias");
}

/** Returns how many of the most probable tokens to report for a row; null for a row without log-probabilities. */
function likeliestOf({ chunk: { sequence }, position }: WantedRow): number | null {
  return position === null ? sequence.logprobs : sequence.promptLogprobs;
}

/** Returns the rows for which log-probabilities are requested: next tokens first, then prompt positions. */
function withLogprobs(wanted: readonly WantedRow[]): WantedRow[] {
  const asked = wanted.filter((row) => likeliestOf(row) !== null);
  return [...asked.filter(({ position }) => position === null), ...asked.filter(({ position }) => position !== null)];
}

function wantedRows(chunks: readonly Chunk<ServedRequest>[]): WantedRow[] {
  const wanted: WantedRow[] = [];
  let row = 0;
  for (const chunk of chunks) {
    const { sequence, start, end } = chunk;
    for (let position = start; position < end; position++, row++) {
      const predicted = position + 1;
      if (sequence.wantsPromptLogits && predicted < sequence.promptLength) {
        wanted.push({ chunk, row, position: predicted });
      }
      if (predicted === sequence.tokens.length && sequence.wantsToken) wanted.push({ chunk, row, position: null });
    }
  }
  return wanted;
}

/**
 * Returns the batch of a pass, as input for `raggedHidden`, and the adapter version of each row. Rows before the
 * invocation of an aLoRA are the base model's.
 */
function passRows(chunks: readonly Chunk<ServedRequest>[]) {
  const count = chunks.reduce((sum, { start, end }) => sum + end - start, 0);
  const [tokens, positions, sequences] = [new Int32Array(count), new Int32Array(count), new Int32Array(count)];
  const versions: (string | null)[] = [];
  const taskIds: number[] = [];
  const aloraOffsets: (number | null)[] = [];
  for (const [index, { sequence, start, end }] of chunks.entries()) {
    const { version, taskId = 0, actsFrom, plainUntil } = sequence;
    for (let position = start; position < end; position++) {
      const row = versions.push(position < plainUntil ? null : version) - 1;
      taskIds.push(taskId);
      aloraOffsets.push(position < actsFrom ? null : 1);
      tokens[row] = sequence.tokens[position];
      positions[row] = position;
      sequences[row] = index;
    }
  }
  const tables = chunks.map(({ sequence }) => new Int32Array(sequence.table));
  return { batch: { tokens, positions, sequences, tables, taskIds, aloraOffsets }, versions };
}

/** Groups the chunks by adapter version, in the order in which versions first occur. */
function byVersion(chunks: readonly Chunk<ServedRequest>[]): Chunk<ServedRequest>[] {
  return [...Map.groupBy(chunks, ({ sequence }) => sequence.version).values()].flat();
}

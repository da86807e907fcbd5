import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { Load, mayUse } from "../../access/mayUse.ts";
import type { ServingEngine, ServingModel, ServingStats } from "../../api/api.ts";
import type { Caller } from "../../api/caller.ts";
import { Budgets, type BudgetUse, type Spender } from "../../budgets/budgets.ts";
import type { ServingLogger, ServingMetrics } from "../metrics/observers.ts";
import { HttpError, modelNotFound } from "../requests/httpError.ts";
import type { ServingLimits } from "../requests/limits.ts";
import type { FindCaller, HttpCaller } from "./apiKeys.ts";

/** Facts about one request that its route adds to the log. */
export interface RequestLog {
  id: string;
  /** Path of the route, without the client's values for path parameters. */
  route: string;
  /** True if the request counts in `/load` until its answer has ended. */
  counted?: boolean;
  /** True if the answer is logged only in case of a failure. */
  quiet?: boolean;
  /** Resolves when a streamed answer has ended. */
  ended?: Promise<void>;
  tenant?: string;
  adapter?: string | null;
  promptTokens?: number;
  newTokens?: number;
  error?: unknown;
}

/** Types of Hono's context in this app. */
export interface AppEnv {
  Variables: {
    caller: HttpCaller;
    log: RequestLog;
    budgeted?: boolean;
    /** Signal that is aborted if the API key is removed while the request runs. */
    revoked: AbortSignal;
    /** Function to call when the answer has ended. */
    ended?: () => void;
  };
}

/** The server's app, to which routes are added. */
export type ServingApp = OpenAPIHono<AppEnv>;

/** HTTP request with its context in the app. */
export type AppRequest = Context<AppEnv>;

/** Objects from which an AppContext is made. */
interface AppParts {
  readonly engine: ServingEngine;
  readonly limits: ServingLimits;
  readonly metrics: ServingMetrics;
  readonly logger: ServingLogger;
  /** Aborted when the server accepts no more requests. */
  readonly draining: AbortSignal;
  readonly findCaller: FindCaller;
  readonly running: RunningRequests;
}

/** Objects that all routes of a server share. */
export class AppContext {
  readonly engine: ServingEngine;
  readonly limits: ServingLimits;
  readonly metrics: ServingMetrics;
  readonly logger: ServingLogger;
  readonly draining: AbortSignal;
  readonly findCaller: FindCaller;
  readonly running: RunningRequests;
  /** Counts the sequences and tokens of each API key, and refuses requests that exceed the key's budgets. */
  readonly budgets: Budgets;
  /**
   * Returns the number of fine-tuning jobs by status. Default: returns no statuses, as on a server without fine-tuning.
   */
  countJobs: () => Promise<Readonly<Record<string, number>>> = async () => ({});
  /** Counts the running chat, completion and embedding requests of each tenant. */
  readonly load: Load = new Load();
  /**
   * Functions that return a tenant's use of further budgets, which the field `budgets` does not count, such as stored
   * bytes.
   */
  readonly budgetSources: ((spender: Spender) => Promise<readonly BudgetUse[]>)[] = [];

  constructor(parts: AppParts) {
    this.engine = parts.engine;
    this.limits = parts.limits;
    this.metrics = parts.metrics;
    this.logger = parts.logger;
    this.draining = parts.draining;
    this.findCaller = parts.findCaller;
    this.running = parts.running;
    this.budgets = new Budgets(parts.limits.pending);
  }

  /**
   * Returns the use of every budget, for each tenant that has sent a request. The engine's statistics provide the
   * memory of each tenant's adapters.
   */
  async budgetUses({ adapters: { byTenant = {} } }: ServingStats): Promise<BudgetUse[]> {
    const looks = this.budgetSources.flatMap((source) => this.budgets.spenders.map(source));
    // Budgets of an unreachable store are left out.
    const others = await Promise.all(looks.map((uses) => uses.catch(() => [])));
    const memory = this.budgets.spenders.map(({ tenant, budgets: { adapterMemory: limit } }): BudgetUse => {
      return { tenant, budget: "adapterMemory", used: byTenant[tenant] ?? 0, limit };
    });
    return [...this.budgets.uses(), ...memory, ...others.flat()];
  }

  /**
   * Returns the adapter that a request's `model` names; null for the base model. For a model that the caller may not
   * use, throws the same error as for an unknown one.
   */
  async adapterOf(name: string, caller: Caller): Promise<{ model: ServingModel; adapter: string | null }> {
    const model = await this.engine.model();
    if (name === model.name ? caller.base : mayUse(caller, { name })) {
      return { model, adapter: name === model.name ? null : name };
    }
    throw modelNotFound(name);
  }
}

/** Running request with its API key. */
interface RunningRequest {
  readonly authorization: string | undefined;
  readonly caller: Caller;
  readonly end: AbortController;
}

/** Running requests with their API keys. If a key is removed, the server can end the key's requests. */
export class RunningRequests {
  readonly #running = new Set<RunningRequest>();

  /**
   * Adds a request. Returns a signal that is aborted if the request's key is removed, and a function to call when the
   * request has ended.
   */
  add(
    authorization: string | undefined,
    caller: Caller,
  ): { readonly revoked: AbortSignal; readonly ended: () => void } {
    const request: RunningRequest = { authorization, caller, end: new AbortController() };
    this.#running.add(request);
    return { revoked: request.end.signal, ended: () => void this.#running.delete(request) };
  }

  /**
   * Ends the requests whose API key has been removed or now belongs to another tenant. `find` looks up the current
   * keys.
   */
  async endRevoked(find: FindCaller): Promise<void> {
    const check = async ({ authorization, caller, end }: RunningRequest) => {
      if ((await find(authorization))?.tenant === caller.tenant) return;
      const message = "The API key of this request was removed.";
      end.abort(new HttpError(401, message, { code: "invalid_api_key" }));
    };
    await Promise.all([...this.#running].map(check));
  }
}

import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import { Load } from "../../access/load.ts";
import { mayUse } from "../../access/mayUse.ts";
import type { ServingEngine, ServingModel, ServingStats } from "../../api/api.ts";
import type { Caller } from "../../api/caller.ts";
import { Budgets, type BudgetUse, type Spender } from "../../budgets/budgets.ts";
import type { ServingLogger, ServingMetrics } from "../metrics/observers.ts";
import { modelNotFound } from "../requests/httpError.ts";
import type { ServingLimits } from "../requests/limits.ts";
import type { FindCaller, HttpCaller } from "./apiKeys.ts";
import type { RunningRequests } from "./runningRequests.ts";

/** Facts about one request that its route adds to the log. */
export interface RequestLog {
  id: string;
  /** Path of the route, without the client's values for path parameters. */
  route: string;
  /** True if the request counts in `/load` until its answer has ended. */
  counted?: boolean;
  /** True if the answer is not logged. */
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
    /** Aborted if the request's key is removed while it runs. */
    revoked: AbortSignal;
    /** Callback for the end of the answer. */
    ended?: () => void;
  };
}

/** App to which routes are added. */
export type ServingApp = OpenAPIHono<AppEnv>;

/** Request in the app. */
export type AppRequest = Context<AppEnv>;

/** Parts of an AppContext. */
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

/** Parts that every route shares. */
export class AppContext {
  readonly engine: ServingEngine;
  readonly limits: ServingLimits;
  readonly metrics: ServingMetrics;
  readonly logger: ServingLogger;
  readonly draining: AbortSignal;
  readonly findCaller: FindCaller;
  readonly running: RunningRequests;
  /** Requests and tokens of all keys. */
  readonly budgets: Budgets;
  /** Counts the fine-tunes by status. Default: none. */
  countJobs: () => Promise<Readonly<Record<string, number>>> = async () => ({});
  /** Running chats, completions and embeddings. */
  readonly load: Load = new Load();
  /** Functions that return the use of budgets counted elsewhere, such as in the fine-tuning store. */
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

  /** Returns the use of all budgets by all keys that have been used. */
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

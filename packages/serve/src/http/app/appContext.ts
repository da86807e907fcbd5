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

/** The facts of one request that its route adds to the log. */
export interface RequestLog {
  id: string;
  /** The path of the route, without what a client wrote into it. */
  route: string;
  /** The request counts in `/load` until its answer has ended. */
  counted?: boolean;
  /** An answer is not worth a line. */
  quiet?: boolean;
  /** Resolves when an answer in pieces has ended. */
  ended?: Promise<void>;
  tenant?: string;
  adapter?: string | null;
  promptTokens?: number;
  newTokens?: number;
  error?: unknown;
}

/** The types of Hono's context in this app. */
export interface AppEnv {
  Variables: {
    caller: HttpCaller;
    log: RequestLog;
    budgeted?: boolean;
    /** Aborted if the request's key is removed while it runs. */
    revoked: AbortSignal;
    /** To be called when the answer has ended. */
    ended?: () => void;
  };
}

/** The app, while its routes are added. */
export type ServingApp = OpenAPIHono<AppEnv>;

/** A request on its way through the app. */
export type AppRequest = Context<AppEnv>;

/** The parts of an AppContext. */
interface AppParts {
  readonly engine: ServingEngine;
  readonly limits: ServingLimits;
  readonly metrics: ServingMetrics;
  readonly logger: ServingLogger;
  /** Aborted when no new request is taken. */
  readonly draining: AbortSignal;
  readonly findCaller: FindCaller;
  readonly running: RunningRequests;
}

/** The parts that every route shares. */
export class AppContext {
  readonly engine: ServingEngine;
  readonly limits: ServingLimits;
  readonly metrics: ServingMetrics;
  readonly logger: ServingLogger;
  readonly draining: AbortSignal;
  readonly findCaller: FindCaller;
  readonly running: RunningRequests;
  /** The requests and tokens of all keys. */
  readonly budgets: Budgets;
  /** Counts the fine-tunes by status. Default: none. */
  countJobs: () => Promise<Readonly<Record<string, number>>> = async () => ({});
  /** The chats, completions and embeddings that are being answered. */
  readonly load: Load = new Load();
  /** Returns the use of budgets that others count, as the store of fine-tunes. */
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

  /** Returns the use of all budgets by all keys that were seen. */
  async budgetUses({ adapters: { byTenant = {} } }: ServingStats): Promise<BudgetUse[]> {
    const looks = this.budgetSources.flatMap((source) => this.budgets.spenders.map(source));
    // A store that is away leaves its budgets out.
    const others = await Promise.all(looks.map((uses) => uses.catch(() => [])));
    const memory = this.budgets.spenders.map(({ tenant, budgets: { adapterMemory: limit } }): BudgetUse => {
      return { tenant, budget: "adapterMemory", used: byTenant[tenant] ?? 0, limit };
    });
    return [...this.budgets.uses(), ...memory, ...others.flat()];
  }

  /**
   * Returns the adapter that a request's `model` names: null for the base. What the caller may not
   * use is answered as if it were not there.
   */
  async adapterOf(name: string, caller: Caller): Promise<{ model: ServingModel; adapter: string | null }> {
    const model = await this.engine.model();
    if (name === model.name ? caller.base : mayUse(caller, { name })) {
      return { model, adapter: name === model.name ? null : name };
    }
    throw modelNotFound(name);
  }
}

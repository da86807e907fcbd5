import {
  type ServingEngine,
  ServingError,
  type ServingEvent,
  type ServingModel,
  type ServingRequest,
} from "../api/api.ts";
import { EventQueue } from "../engine/answers/eventQueue.ts";
import { type EngineCall, eventWindow, type FromWorker, fromWire, outbox, type ToWorker } from "./wire.ts";

/** Members of a `worker_threads` Worker that are used here. */
interface NodeWorker {
  postMessage(message: unknown): void;
  on(event: string, listener: (value: unknown) => void): unknown;
  terminate(): unknown;
}

/** Web Worker, or a Worker of Node's `worker_threads`, whose script calls `serveEngine`. */
export type ServingWorker = Worker | NodeWorker;

/** Returns an engine whose calls run in a Worker. If the Worker ends, all pending calls fail with `unavailable`. */
export function connectEngine(worker: ServingWorker): ServingEngine {
  return new RemoteServingEngine(worker);
}

/** Handles the Worker's messages about one call or request. */
interface Listener {
  take(told: FromWorker): void;
  fail(error: unknown): void;
}

class RemoteServingEngine implements ServingEngine {
  readonly #worker: ServingWorker;
  readonly #listeners = new Map<number, Listener>();
  readonly #taken: (count: readonly [id: number, count: number]) => void;
  readonly tokenize: ServingEngine["tokenize"] = this.#remote("tokenize");
  readonly detokenize: ServingEngine["detokenize"] = this.#remote("detokenize");
  readonly embed: ServingEngine["embed"] = this.#remote("embed");
  readonly adapters: ServingEngine["adapters"] = this.#remote("adapters");
  readonly loadAdapter: ServingEngine["loadAdapter"] = this.#remote("loadAdapter");
  readonly unloadAdapter: ServingEngine["unloadAdapter"] = this.#remote("unloadAdapter");
  readonly stats: ServingEngine["stats"] = this.#remote("stats");
  readonly drain: ServingEngine["drain"] = this.#remote("drain");
  #model: Promise<ServingModel> | undefined;
  #ended: ServingError | undefined;
  #next = 0;

  constructor(worker: ServingWorker) {
    this.#worker = worker;
    this.#taken = outbox((counts) => this.#send({ type: "taken", counts }));
    const take = (data: unknown) => {
      for (const told of data as FromWorker[]) this.#listeners.get(told.id)?.take(told);
    };
    if ("on" in worker) {
      worker.on("message", take);
      worker.on("error", (error) => this.#end((error as Error).message));
      worker.on("exit", (code) => this.#end(`it ended with code ${code}`));
    } else {
      worker.addEventListener("message", ({ data }) => take(data));
      worker.addEventListener("error", (event) => {
        // The rejections report the error; the page would also report it as uncaught.
        event.preventDefault();
        this.#end(event.message || "its script could not be loaded");
        worker.terminate();
      });
    }
  }

  model(): Promise<ServingModel> {
    if (this.#ended) return Promise.reject(this.#ended);
    // Cached, since the model stays the same and readiness checks come while the engine computes.
    this.#model ??= this.#call<ServingModel>("model").catch((error: unknown) => {
      this.#model = undefined;
      throw error;
    });
    return this.#model;
  }

  async *generate(request: ServingRequest, signal?: AbortSignal): AsyncGenerator<ServingEvent, void, undefined> {
    signal?.throwIfAborted();
    const events = new EventQueue<ServingEvent>();
    let hasEnded = false;
    const id = this.#listen({
      take: (told) => {
        if (told.type === "event") return events.push(told.event);
        hasEnded = true;
        events.end(told.type === "failure" ? { error: fromWire(told.error) } : {});
      },
      fail: (error) => events.cancel(error),
    });
    const abort = () => events.cancel(signal?.reason);
    signal?.addEventListener("abort", abort);
    this.#send({ type: "generate", id, request });
    let taken = 0;
    try {
      for await (const event of events) {
        yield event;
        taken++;
        if (taken === eventWindow / 2) {
          this.#taken([id, taken]);
          taken = 0;
        }
      }
    } finally {
      signal?.removeEventListener("abort", abort);
      this.#listeners.delete(id);
      if (!hasEnded) this.#send({ type: "abort", id });
    }
  }

  async close(): Promise<void> {
    if (!this.#ended) await this.#call("close");
    this.#end("it was closed");
    await this.#worker.terminate();
  }

  /** Returns a method that runs the engine's method of the same name in the Worker. */
  #remote<K extends EngineCall>(method: K): ServingEngine[K] {
    return ((...args: readonly unknown[]) => this.#call(method, args)) as ServingEngine[K];
  }

  #call<T>(method: EngineCall, args: readonly unknown[] = []): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const id = this.#listen({
        take: (told) => {
          this.#listeners.delete(id);
          if (told.type === "answer") resolve(told.value as T);
          else if (told.type === "failure") reject(fromWire(told.error));
        },
        fail: reject,
      });
      this.#send({ type: "call", id, method, args });
    });
  }

  #listen(listener: Listener): number {
    if (this.#ended) throw this.#ended;
    const id = this.#next++;
    this.#listeners.set(id, listener);
    return id;
  }

  #send(message: ToWorker): void {
    if (!this.#ended) this.#worker.postMessage(message);
  }

  /** Fails all pending and future calls. */
  #end(reason: string): void {
    if (this.#ended) return;
    const message = "the engine's Worker is gone; the server must be started again";
    this.#ended = Object.assign(new ServingError("unavailable", message), { cause: new Error(reason) });
    for (const listener of [...this.#listeners.values()]) listener.fail(this.#ended);
    this.#listeners.clear();
  }
}

import type { ServingEngine, ServingRequest } from "../api/api.ts";
import { eventWindow, type FromWorker, outbox, type ToWorker, toWire } from "./wire.ts";

/** Members of a Worker's own port that are used here. */
interface WorkerPort {
  postMessage(message: unknown): void;
  addEventListener(type: "message", listener: (event: { data: unknown }) => void): void;
  start?(): void;
}

/** Running request. `room` is the number of events that may be sent before the reader has to read more. */
interface Running {
  readonly controller: AbortController;
  room: number;
  resume(): void;
}

/**
 * Exposes an engine in a Worker to the thread that started it and calls `connectEngine`. Calls wait until the engine
 * has been created.
 */
export function serveEngine(engine: ServingEngine | Promise<ServingEngine>): void {
  const port = ownPort();
  const ready = Promise.resolve(engine);
  // Each call reports the error.
  ready.catch(() => {});
  const running = new Map<number, Running>();
  const tell = outbox<FromWorker>((items) => port.postMessage(items));

  const call = async ({ id, method, args }: ToWorker & { type: "call" }) => {
    try {
      const engine = await ready;
      const value = await (engine[method] as (...args: readonly unknown[]) => unknown)(...args);
      tell({ type: "answer", id, value });
    } catch (error) {
      tell({ type: "failure", id, error: toWire(error) });
    }
  };

  const generate = async (id: number, request: ServingRequest) => {
    const controller = new AbortController();
    const own: Running = { controller, room: eventWindow, resume: () => {} };
    running.set(id, own);
    try {
      for await (const event of (await ready).generate(request, controller.signal)) {
        tell({ type: "event", id, event });
        own.room--;
        if (own.room === 0 && !controller.signal.aborted) {
          await new Promise<void>((resolve) => {
            own.resume = resolve;
          });
        }
      }
      tell({ type: "ended", id });
    } catch (error) {
      tell({ type: "failure", id, error: toWire(error) });
    } finally {
      running.delete(id);
    }
  };

  port.addEventListener("message", ({ data }) => {
    const message = data as ToWorker;
    if (message.type === "call") void call(message);
    else if (message.type === "generate") void generate(message.id, message.request);
    else if (message.type === "abort") {
      const own = running.get(message.id);
      own?.controller.abort(new DOMException("The request was given up.", "AbortError"));
      own?.resume();
    } else {
      for (const [id, count] of message.counts) {
        const own = running.get(id);
        if (!own) continue;
        own.room += count;
        own.resume();
      }
    }
  });
  port.start?.();
}

function ownPort(): WorkerPort {
  const node = globalThis.process?.getBuiltinModule?.("node:worker_threads");
  // Deno has web Workers in addition to `worker_threads`.
  const isWeb = !node || "WorkerGlobalScope" in globalThis;
  const port = (node?.parentPort ?? (isWeb ? globalThis : undefined)) as WorkerPort | undefined;
  if (port && !("document" in globalThis)) return port;
  throw new Error("serveEngine: this code does not run in a Worker; call it in the script that new Worker(...) starts");
}

import type { ServingEngine } from "../../api/api.ts";

/** Milliseconds in which a living engine names its model: it needs no pass for that. */
const patience = 25;

/** The state of an engine, as liveness and readiness probes return it. */
export type EngineState = "ready" | "loading" | "dead";

/** Returns the state of an engine. */
export async function engineState(engine: ServingEngine): Promise<EngineState> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const waited = new Promise<EngineState>((resolve) => {
    timer = setTimeout(() => resolve("loading"), patience);
  });
  const told = engine.model().then(
    (): EngineState => "ready",
    (): EngineState => "dead",
  );
  return Promise.race([told, waited]).finally(() => clearTimeout(timer));
}

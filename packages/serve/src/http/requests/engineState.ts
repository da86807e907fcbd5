import type { ServingEngine } from "../../api/api.ts";

/** Milliseconds to wait for `engine.model()`, which needs no forward pass. An engine that takes longer is "loading". */
const patience = 25;

/** State of an engine, as in liveness and readiness probes. */
export type EngineState = "ready" | "loading" | "dead";

/** Returns "ready" if the engine answers, "loading" if it does not answer soon, and "dead" if it fails. */
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

import { type AppOptions, createApp } from "../http/createApp.ts";
import { type Listening, listen } from "../http/listen.ts";

/** Starts a server on a free port. It is closed at the end of the scope. */
export async function listening(options: AppOptions): Promise<Listening & AsyncDisposable> {
  const server = await listen(createApp(options), 0);
  return { ...server, [Symbol.asyncDispose]: () => server.close() };
}

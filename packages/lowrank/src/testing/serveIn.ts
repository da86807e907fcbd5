import type { CommandFolder } from "./commandFolder.ts";
import type { Outcome } from "./runCommand.ts";

/** Starts the server in a folder, runs `use` when it is ready, and interrupts it. */
export async function serveIn(
  folder: CommandFolder,
  args: string,
  use: (url: string, stop: () => void) => Promise<void>,
  env: Readonly<Record<string, string>> = {},
): Promise<Outcome> {
  let used: Promise<void> | undefined;
  let seen = "";
  const outcome = await folder.process.lowrank(`serve ${args} --port 0`.split(" "), {
    env,
    onStderr: (text, stop) => {
      seen += text;
      const [, url] = /"url":"([^"]+)".*"msg":"serving"/.exec(seen) ?? [];
      if (url === undefined || used) return;
      let stopped = false;
      // A second signal would abort the running requests.
      const stopOnce = () => {
        if (!stopped) stop();
        stopped = true;
      };
      used = use(url, stopOnce).finally(stopOnce);
    },
  });
  if (!used) throw new Error(`it never served: ${outcome.stderr}`);
  await used;
  return outcome;
}

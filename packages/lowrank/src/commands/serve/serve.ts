import { Command, InvalidArgumentError, Option } from "commander";
import { integer, number, threadsOption, weightsOption, wideSimdOption } from "../../cli/argument.ts";
import { parseBytes } from "../../cli/byteCount.ts";
import { backendOption } from "../../cli/loading/backends.ts";
import { addModelOption } from "../../cli/loading/modelOption.ts";

const examples = `
Examples:
  $ lowrank serve ./model --adapter poet=./adapters/poet --adapter judge=./adapters/judge
  $ lowrank serve ./model.gguf --weights packed --activations int8 --store ./adapters --api-key-file keys.yaml
  $ lowrank serve ./encoder
  $ lowrank serve ./model --store ./adapters --fine-tuning
  $ lowrank serve --config serve.yaml

It answers OpenAI's API, and vLLM's for adapters; /openapi.json describes it and / is a page to try it. An encoder, such
as a BERT of sentence-transformers, gives embeddings. A first SIGTERM or Ctrl-C lets running requests end, a second
Ctrl-C ends at once.`;

/** Returns the `lowrank serve` command. The engine's Worker imports `plugins` too. */
export function serveCommand(plugins: readonly string[]): Command {
  return addModelOption(new Command("serve"), "config")
    .summary("serves a model and its adapters over HTTP, by OpenAI's API")
    .description("Serves a model and any number of adapters in one batch. A request's model names the adapter.")
    .option("--config <file>", "YAML or JSON with the settings below by name; the command line goes first")
    .option("--served-model-name <name>", "the base model's name in requests (default: the name of its folder or file)")
    .option("--adapter <name=path>", "an adapter and its folder, or its path in --store; may be repeated", adapters)
    .option("--store <place>", "folder of adapter folders, or s3://bucket/prefix; each is loaded when it is first used")
    .option("--fine-tuning", "take fine-tunes over HTTP, which train on this machine at the lowest priority")
    .option("--queue <url>", "take fine-tunes over HTTP for the workers of a queue, as redis://host:port")
    .option("--max-upload <bytes>", "of a file to fine-tune on (default: 512MB)", byteCount)
    .option("--max-files <n>", "uploaded files of an API key (default: 1000)", integer(1))
    .option("--max-jobs <n>", "fine-tunes of an API key that wait or run (default: 10)", integer(1))
    .option("--max-job-minutes <n>", "minutes of training of one fine-tune (default: 720)", number({ above: 0 }))
    .option("--max-job-steps <n>", "steps of one fine-tune (default: 100000)", integer(1))
    .option("--max-job-rank <n>", "rank of the adapter of a fine-tune (default: 256, or --max-lora-rank)", integer(1))
    .option(
      "--key-requests <n>",
      "sequences of an API key that run or wait (default: a share of --max-pending)",
      integer(1),
    )
    .option("--key-tokens-per-minute <n>", "prompt and new tokens of an API key (default: any number)", integer(1))
    .option("--key-adapter-memory <bytes>", "adapters that an API key uses at once (default: any)", byteCount)
    .option("--key-stored-bytes <bytes>", "files and fine-tunes of an API key in --store (default: 20GB)", byteCount)
    .option("--key-trainer-minutes <n>", "training of an API key in a day (default: any number)", number({ above: 0 }))
    .option("--adapter-memory <bytes>", "for adapters in memory (default: 256MB)", byteCount)
    .option("--max-lora-rank <n>", "the largest rank of an adapter (default: any)", integer(1))
    .option("--host <address>", "address to listen on; 0.0.0.0 is every one (default: 127.0.0.1)")
    .option("--port <n>", "port to listen on; 0 is any free one (default: 8000)", integer(0, 65535))
    .option(
      "--api-key-file <file>",
      "YAML or JSON list of keys: id, sha256, adapters, base, admin, operator, budgets; read again when it changes (default: none)",
    )
    .option(
      "--allowed-hosts <names>",
      "comma-separated host names of this server, besides localhost and IP addresses; .example.com adds all subdomains",
    )
    .addOption(weightsOption())
    .addOption(
      new Option("--activations <type>", "int8 multiplies --weights packed in integers: faster, less exact").choices([
        "int8",
      ]),
    )
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(wideSimdOption())
    .option("--max-num-seqs <n>", "sequences that run at once (default: 64)", integer(1))
    .option(
      "--max-num-batched-tokens <n>",
      "rows of a pass (default: 128, or --max-num-seqs; of an encoder 2048)",
      integer(1),
    )
    .option("--max-model-len <n>", "tokens of a sequence (default: as the model and the cache take)", integer(1))
    .option("--kv-cache-tokens <n>", "tokens whose keys and values are kept (default: 256 MiB of them)", integer(1))
    .option("--max-body <bytes>", "of a request's body (default: 1MiB)", byteCount)
    .option("--max-prompt-tokens <n>", "tokens of a prompt (default: the model's positions)", integer(1))
    .option("--max-pending <n>", "sequences that run or wait; a request for more gets a 429 (default: 256)", integer(1))
    .option("--request-timeout <seconds>", "for a request (default: 600)", number({ above: 0 }))
    .option(
      "--send-timeout <seconds>",
      "after which the connection of a client that reads nothing is closed (default: 60)",
      number({ above: 0 }),
    )
    .addOption(
      new Option("--log-format <how>", "of lines on stderr (default: pretty on a terminal, else json)").choices([
        "json",
        "pretty",
      ]),
    )
    .addOption(
      new Option("--log-level <level>", "the least that is written (default: info)").choices([
        ...["trace", "debug", "info", "warn", "error", "fatal", "silent"],
      ]),
    )
    .addHelpText("after", examples)
    .action(async (_, __, command: Command) => {
      const { config, adapter, ...flags } = givenFlags(command);
      const { readServeSettings } = await import("./serveSettings.ts");
      const { runServer } = await import("./runServer.ts");
      const settings = await readServeSettings(
        { ...flags, ...(adapter !== undefined && { adapters: adapter }) },
        config as string | undefined,
      );
      await runServer(settings, plugins);
    });
}

/** Returns the options that the command line sets, by the names of their flags. */
function givenFlags(command: Command): Record<string, unknown> {
  const given = command.options.flatMap((option) => {
    const name = option.attributeName();
    const value: unknown = command.getOptionValue(name);
    const isDefault = command.getOptionValueSource(name) === "default";
    return value === undefined || isDefault || option.long === "--plugin"
      ? []
      : [[(option.long as string).slice(2), value]];
  });
  return Object.fromEntries(given);
}

function adapters(text: string, before: Readonly<Record<string, string>> = {}): Record<string, string> {
  const [, name, path] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined) throw new InvalidArgumentError("Expected name=path.");
  if (Object.hasOwn(before, name)) throw new InvalidArgumentError(`There are two adapters named ${name}.`);
  return { ...before, [name]: path };
}

function byteCount(text: string): number {
  const found = parseBytes(text);
  if (found !== null) return found;
  throw new InvalidArgumentError("Expected a number of bytes, such as 256MB or 1GiB.");
}

import type { CompletedCommand, Words } from "./programWords.ts";

/** Returns a zsh script that completes commands, options and values. */
export function zshScript(commands: readonly CompletedCommand[]): string {
  const names = commands.map(({ name, summary }) => `    ${quoted(`${name}:${summary}`)}`);
  const cases = commands.map(({ name, options, words }) => {
    const specs = options.map(({ flag, help, value }) => {
      const taken = value === null ? "" : `:value:${action(value)}`;
      // The leading `*` lets an option repeat.
      return quoted(`*${flag}[${help.replaceAll(/[[\]:\\]/g, "\\$&")}]${taken}`);
    });
    const rest = words.kind === "free" ? [] : [quoted(`*:word:${action(words)}`)];
    return `    ${name}) _arguments ${[...specs, ...rest].join(" ")};;`;
  });
  return `#compdef lowrank
# Completion of lowrank in zsh: source <(lowrank completion zsh)
_lowrank() {
  local -a commands=(
${names.join("\n")}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command="$words[2]"
  shift words
  (( CURRENT-- ))
  case "$command" in
${cases.join("\n")}
  esac
}
if [[ $funcstack[1] == _lowrank ]]; then _lowrank "$@"; else compdef _lowrank lowrank; fi
`;
}

function action(words: Words): string {
  if (words.kind === "choices") return `(${words.values.join(" ")})`;
  return words.kind === "files" ? "_files" : " ";
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`;

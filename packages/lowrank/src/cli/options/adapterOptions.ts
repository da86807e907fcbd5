import type { AnyMethod, MethodOption, RecipeSettings } from "@lowrank/peft";
import { type Command, InvalidArgumentError, Option } from "commander";
import { type AdapterMethod, adapterMethods, recipeNames } from "../../report/methods.ts";
import { describeProblem, listed, placeholders } from "../optionValue.ts";
import { usualSettings } from "./adapterConfig.ts";
import { type AdapterFlag, adapterFlags, isSetting } from "./adapterFlags.ts";

/**
 * Adds the flags of all registered methods to a command, after its own options. Throws an error that names the method
 * if the command already has the flag.
 */
export function addAdapterOptions(command: Command): Command {
  for (const adapterFlag of adapterFlags()) {
    const { flag, takers } = adapterFlag;
    if (command.options.some(({ long }) => long === `--${flag}`)) {
      const types = takers.map(({ method }) => method.peftType).join(", ");
      throw new Error(`${types}: lowrank ${command.name()} has an option --${flag} already; use another flag`);
    }
    command.addOption(toOption(adapterFlag));
  }
  return command;
}

function toOption({ flag, type, takers }: AdapterFlag): Option {
  const methods = takers.map(({ method }) => method);
  const shared = methods.length > 1;
  const values = [...new Set(takers.flatMap(({ option }) => (option.type === "oneOf" ? option.values : [])))];
  const expected = values.length > 0 ? listed(values) : null;
  const help = takers[0].option.help + (expected === null ? "" : `: ${expected}`);
  const notes = [shared ? takersNote(methods) : null, defaultNote(takers)].filter((note) => note !== null);
  const option = new Option(
    `--${flag}${placeholders[type]}`,
    notes.length > 0 ? `${help} (${notes.join("; ")})` : help,
  ).helpGroup(shared ? "Options of adapters:" : `Options with --method ${listed(recipeNames(methods))}:`);
  return type === "boolean" ? option : option.argParser(checkedText(takers, expected));
}

/**
 * Returns a parser for a flag that several methods may support. The parser accepts a text that is valid for at least
 * one of these methods; it throws for other texts. It returns the text unchanged, since the type of the value depends
 * on the chosen method, which is not known yet.
 */
function checkedText(takers: AdapterFlag["takers"], expected: string | null): (text: string) => string {
  return (text) => {
    const problems = takers.map(({ option }) => describeProblem(option, text));
    if (problems.includes(null)) return text;
    throw new InvalidArgumentError(expected === null ? (problems[0] as string) : `Expected ${expected}.`);
  };
}

/**
 * Returns a note on the methods that support a flag, such as "with lora, dora". If fewer methods lack the flag than
 * have it, the note lists the methods that lack it: "not with ia3". Returns null if all methods support the flag.
 */
function takersNote(methods: readonly AnyMethod[]): string | null {
  const all = adapterMethods().map(({ name }) => name);
  const takers = recipeNames(methods);
  const others = all.filter((name) => !takers.includes(name));
  if (others.length === 0) return null;
  return takers.length <= others.length ? `with ${takers.join(", ")}` : `not with ${others.join(", ")}`;
}

/**
 * Returns a note on a flag's default value: the default of the first method that has the flag. The note names this
 * method if other methods have other defaults. Returns null if the first method's default is false, or is not a fixed
 * value.
 */
function defaultNote(takers: AdapterFlag["takers"]): string | null {
  const found = adapterMethods().flatMap((method) => {
    const taker = takers.find((taker) => taker.method === method.peft);
    return taker ? [{ name: method.name, value: defaultOf(method, taker.option) }] : [];
  });
  const [{ name, value }] = found;
  if (value === null || value === false) return null;
  const same = found.every((other) => other.value === value);
  return same ? `default: ${value}` : `default: ${value} with ${name}`;
}

/**
 * Returns the default value of an option. This is the option's own default or, if it has none, the field's value in the
 * configuration that the method's recipe creates. Returns "2 x --r" for twice the rank. Returns null for an object, and
 * for a value that depends on the number of training steps.
 */
function defaultOf(method: AdapterMethod, option: MethodOption): unknown {
  const valueAt = (settings: Partial<RecipeSettings>) => {
    if (option.default !== undefined) return option.default;
    const config = method.config({ ...usualSettings, ...settings });
    return (config as unknown as Record<string, unknown>)[option.field];
  };
  const { r, steps } = usualSettings;
  const value = valueAt({});
  if (typeof value === "object" || value === undefined || value !== valueAt({ steps: 2 * steps })) return null;
  const doubled = typeof value === "number" && value !== 0 && valueAt({ r: 2 * r }) === 2 * value;
  return doubled && !isSetting(option.flag) ? `${value / r} x --r` : value;
}

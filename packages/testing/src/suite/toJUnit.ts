import type { SuiteReport } from "./shared/suiteReport.ts";

/** Characters that XML 1.0 does not allow, even escaped. */
const illegal = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

const entities: Readonly<Record<string, string>> = {
  ...{ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;" },
  ...{ "\t": "&#9;", "\n": "&#10;", "\r": "&#13;" },
};

/** Escapes a text for an attribute. Characters that XML does not allow become U+FFFD. */
function escaped(text: string): string {
  return text.replace(illegal, "\uFFFD").replace(/[&<>"'\t\n\r]/g, (sign) => entities[sign]);
}

function attributes(values: Readonly<Record<string, string | number>>): string {
  return Object.entries(values)
    .map(([name, value]) => ` ${name}="${escaped(String(value))}"`)
    .join("");
}

/**
 * Returns a report as JUnit XML, which CI servers show. Each group of checks is a test suite, and each check a test
 * case. A failed check has its message, its value and its limit.
 *
 * @example
 * ```ts
 * await writeFile("junit.xml", toJUnit(report));
 * ```
 */
export function toJUnit({ name, checks, seconds }: SuiteReport): string {
  const groups = [...new Set(checks.map(({ group }) => group))];
  const failures = (some: SuiteReport["checks"]) => some.filter(({ passed }) => !passed).length;
  const suites = groups.map((group) => {
    const own = checks.filter((check) => check.group === group);
    const cases = own.map(({ name: check, passed, message, value, limit }) => {
      const start = `    <testcase${attributes({ classname: `${name}.${group}`, name: check, time: 0 })}`;
      if (passed) return `${start}/>`;
      const text = escaped([message, ...(value === null ? [] : [`value: ${value}, limit: ${limit}`])].join("\n"));
      return `${start}>\n      <failure${attributes({ message, type: group })}>${text}</failure>\n    </testcase>`;
    });
    const counts = { name: `${name}.${group}`, tests: own.length, failures: failures(own), errors: 0 };
    return [`  <testsuite${attributes(counts)}>`, ...cases, "  </testsuite>"].join("\n");
  });
  const time = seconds.toFixed(3);
  const all = attributes({ name, tests: checks.length, failures: failures(checks), errors: 0, time });
  return ['<?xml version="1.0" encoding="UTF-8"?>', `<testsuites${all}>`, ...suites, "</testsuites>", ""].join("\n");
}

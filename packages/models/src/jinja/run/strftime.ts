const days = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const months = [
  ...["January", "February", "March", "April", "May", "June"],
  ...["July", "August", "September", "October", "November", "December"],
];

const dayOfYear = (date: Date): number =>
  Math.round(
    (Date.UTC(date.getFullYear(), date.getMonth(), date.getDate()) - Date.UTC(date.getFullYear(), 0, 0)) / 864e5,
  );

/** Returns the ISO 8601 week number and its year. */
function isoWeek(date: Date): [week: number, year: number] {
  const thursday = new Date(date.getFullYear(), date.getMonth(), date.getDate() + 4 - (date.getDay() || 7));
  return [Math.ceil(dayOfYear(thursday) / 7), thursday.getFullYear()];
}

/**
 * For a numeric directive, returns its value, its number of digits and its fill character; undefined for other
 * directives.
 */
function numberOf(letter: string, date: Date): [value: number, digits: number, fill?: string] | undefined {
  const hour = date.getHours();
  const table: Record<string, () => [number, number, string?]> = {
    C: () => [Math.floor(date.getFullYear() / 100), 2],
    d: () => [date.getDate(), 2],
    e: () => [date.getDate(), 2, " "],
    f: () => [date.getMilliseconds() * 1000, 6],
    G: () => [isoWeek(date)[1], 4],
    g: () => [isoWeek(date)[1] % 100, 2],
    H: () => [hour, 2],
    I: () => [hour % 12 || 12, 2],
    j: () => [dayOfYear(date), 3],
    k: () => [hour, 2, " "],
    l: () => [hour % 12 || 12, 2, " "],
    m: () => [date.getMonth() + 1, 2],
    M: () => [date.getMinutes(), 2],
    s: () => [Math.floor(date.getTime() / 1000), 1],
    S: () => [date.getSeconds(), 2],
    u: () => [date.getDay() || 7, 1],
    U: () => [Math.floor((dayOfYear(date) + 6 - date.getDay()) / 7), 2],
    V: () => [isoWeek(date)[0], 2],
    w: () => [date.getDay(), 1],
    W: () => [Math.floor((dayOfYear(date) + 6 - ((date.getDay() + 6) % 7)) / 7), 2],
    y: () => [date.getFullYear() % 100, 2],
    Y: () => [date.getFullYear(), 1],
  };
  return Object.hasOwn(table, letter) ? table[letter]() : undefined;
}

const composed: Record<string, string> = {
  c: "%a %b %e %H:%M:%S %Y",
  D: "%m/%d/%y",
  F: "%Y-%m-%d",
  h: "%b",
  n: "\n",
  r: "%I:%M:%S %p",
  R: "%H:%M",
  t: "\t",
  T: "%H:%M:%S",
  x: "%m/%d/%y",
  X: "%H:%M:%S",
};

/** For a directive that is a word, such as a weekday, returns its text; undefined for other directives. */
function wordOf(letter: string, date: Date): string | undefined {
  if (letter === "a") return days[date.getDay()].slice(0, 3);
  if (letter === "A") return days[date.getDay()];
  if (letter === "b") return months[date.getMonth()].slice(0, 3);
  if (letter === "B") return months[date.getMonth()];
  if (letter === "p") return date.getHours() < 12 ? "AM" : "PM";
  if (letter === "P") return date.getHours() < 12 ? "am" : "pm";
  if (letter === "z" || letter === "Z") return "";
  if (letter === "%") return "%";
  return Object.hasOwn(composed, letter) ? strftime(composed[letter], date) : undefined;
}

/** Python's `datetime.now().strftime(format)` in the C locale. Unknown directives are copied unchanged. */
export function strftime(format: string, date: Date): string {
  return format.replace(/%([-_0^#]?)([\s\S])/g, (whole, flag: string, letter: string) => {
    const number = numberOf(letter, date);
    if (!number) {
      const word = wordOf(letter, date);
      return word === undefined ? whole : flag === "^" ? word.toUpperCase() : word;
    }
    const [value, digits, fill = "0"] = number;
    if (flag === "-") return String(value);
    return String(value).padStart(digits, flag === "_" ? " " : flag === "0" ? "0" : fill);
  });
}

import { describe, expect, test } from "vitest";
import { strftime } from "./strftime.ts";

const formats = [
  "%a %A %b %B %h %p %P",
  "%C %d %e %f %H %I %j %k %l %m %M %S %y %Y",
  "%g %G %u %U %V %w %W",
  "%c",
  "%D %F %r %R %T %x %X",
];

// Outputs of Python's `datetime(...).strftime(format)`, with the milliseconds last.
const outputs: [date: [number, number, number, number, number, number, number], texts: string[]][] = [
  [
    [2024, 1, 1, 0, 0, 0, 0],
    [
      "Mon Monday Jan January Jan AM am",
      "20 01  1 000000 00 12 001  0 12 01 00 00 24 2024",
      "24 2024 1 00 01 1 01",
      "Mon Jan  1 00:00:00 2024",
      "01/01/24 2024-01-01 12:00:00 AM 00:00 00:00:00 01/01/24 00:00:00",
    ],
  ],
  [
    [2024, 12, 30, 12, 5, 9, 7],
    [
      "Mon Monday Dec December Dec PM pm",
      "20 30 30 007000 12 12 365 12 12 12 05 09 24 2024",
      "25 2025 1 52 01 1 53",
      "Mon Dec 30 12:05:09 2024",
      "12/30/24 2024-12-30 12:05:09 PM 12:05 12:05:09 12/30/24 12:05:09",
    ],
  ],
  [
    [2023, 1, 1, 11, 59, 59, 999],
    [
      "Sun Sunday Jan January Jan AM am",
      "20 01  1 999000 11 11 001 11 11 01 59 59 23 2023",
      "22 2022 7 01 52 0 00",
      "Sun Jan  1 11:59:59 2023",
      "01/01/23 2023-01-01 11:59:59 AM 11:59 11:59:59 01/01/23 11:59:59",
    ],
  ],
  [
    [2021, 1, 3, 13, 0, 0, 40],
    [
      "Sun Sunday Jan January Jan PM pm",
      "20 03  3 040000 13 01 003 13  1 01 00 00 21 2021",
      "20 2020 7 01 53 0 00",
      "Sun Jan  3 13:00:00 2021",
      "01/03/21 2021-01-03 01:00:00 PM 13:00 13:00:00 01/03/21 13:00:00",
    ],
  ],
  [
    [2020, 12, 31, 23, 30, 30, 123],
    [
      "Thu Thursday Dec December Dec PM pm",
      "20 31 31 123000 23 11 366 23 11 12 30 30 20 2020",
      "20 2020 4 52 53 4 52",
      "Thu Dec 31 23:30:30 2020",
      "12/31/20 2020-12-31 11:30:30 PM 23:30 23:30:30 12/31/20 23:30:30",
    ],
  ],
  [
    [2026, 2, 28, 9, 9, 9, 0],
    [
      "Sat Saturday Feb February Feb AM am",
      "20 28 28 000000 09 09 059  9  9 02 09 09 26 2026",
      "26 2026 6 08 09 6 08",
      "Sat Feb 28 09:09:09 2026",
      "02/28/26 2026-02-28 09:09:09 AM 09:09 09:09:09 02/28/26 09:09:09",
    ],
  ],
  [
    [2024, 2, 29, 1, 2, 3, 0],
    [
      "Thu Thursday Feb February Feb AM am",
      "20 29 29 000000 01 01 060  1  1 02 02 03 24 2024",
      "24 2024 4 08 09 4 09",
      "Thu Feb 29 01:02:03 2024",
      "02/29/24 2024-02-29 01:02:03 AM 01:02 01:02:03 02/29/24 01:02:03",
    ],
  ],
  [
    [2000, 7, 9, 10, 10, 10, 10],
    [
      "Sun Sunday Jul July Jul AM am",
      "20 09  9 010000 10 10 191 10 10 07 10 10 00 2000",
      "00 2000 7 28 27 0 27",
      "Sun Jul  9 10:10:10 2000",
      "07/09/00 2000-07-09 10:10:10 AM 10:10 10:10:10 07/09/00 10:10:10",
    ],
  ],
  [
    [2012, 11, 5, 12, 0, 0, 0],
    [
      "Mon Monday Nov November Nov PM pm",
      "20 05  5 000000 12 12 310 12 12 11 00 00 12 2012",
      "12 2012 1 45 45 1 45",
      "Mon Nov  5 12:00:00 2012",
      "11/05/12 2012-11-05 12:00:00 PM 12:00 12:00:00 11/05/12 12:00:00",
    ],
  ],
  [
    [1999, 8, 14, 20, 40, 50, 60],
    [
      "Sat Saturday Aug August Aug PM pm",
      "19 14 14 060000 20 08 226 20  8 08 40 50 99 1999",
      "99 1999 6 32 32 6 32",
      "Sat Aug 14 20:40:50 1999",
      "08/14/99 1999-08-14 08:40:50 PM 20:40 20:40:50 08/14/99 20:40:50",
    ],
  ],
  [
    [2010, 5, 21, 17, 17, 17, 500],
    [
      "Fri Friday May May May PM pm",
      "20 21 21 500000 17 05 141 17  5 05 17 17 10 2010",
      "10 2010 5 20 20 5 20",
      "Fri May 21 17:17:17 2010",
      "05/21/10 2010-05-21 05:17:17 PM 17:17 17:17:17 05/21/10 17:17:17",
    ],
  ],
  [
    [2019, 1, 7, 8, 9, 10, 11],
    [
      "Mon Monday Jan January Jan AM am",
      "20 07  7 011000 08 08 007  8  8 01 09 10 19 2019",
      "19 2019 1 01 02 1 01",
      "Mon Jan  7 08:09:10 2019",
      "01/07/19 2019-01-07 08:09:10 AM 08:09 08:09:10 01/07/19 08:09:10",
    ],
  ],
  [
    [2013, 1, 6, 3, 4, 5, 0],
    [
      "Sun Sunday Jan January Jan AM am",
      "20 06  6 000000 03 03 006  3  3 01 04 05 13 2013",
      "13 2013 7 01 01 0 00",
      "Sun Jan  6 03:04:05 2013",
      "01/06/13 2013-01-06 03:04:05 AM 03:04 03:04:05 01/06/13 03:04:05",
    ],
  ],
  [
    [2026, 1, 4, 0, 59, 0, 1],
    [
      "Sun Sunday Jan January Jan AM am",
      "20 04  4 001000 00 12 004  0 12 01 59 00 26 2026",
      "26 2026 7 01 01 0 00",
      "Sun Jan  4 00:59:00 2026",
      "01/04/26 2026-01-04 12:59:00 AM 00:59 00:59:00 01/04/26 00:59:00",
    ],
  ],
];

describe.each(outputs)("%j", ([year, month, ...rest], texts) => {
  const date = new Date(year, month - 1, ...rest);
  test.each(formats.map((format, i) => [format, texts[i]]))("%s", (format, text) => {
    expect(strftime(format, date)).toBe(text);
  });
});

test("flags, signs and directives that do not exist", () => {
  const date = new Date(2024, 2, 5, 4, 6, 7, 89);
  const flagged = "%-d|%-m|%-H|%-I|%-M|%-S|%-j|%-y|%_d|%_m|%_H|%0e|%0k|%^a|%^B|%^b|%-e|%_j";
  expect(strftime(flagged, date)).toBe("5|3|4|4|6|7|65|24| 5| 3| 4|05|04|TUE|MARCH|MAR|5| 65");
  expect(strftime("100%% %n%t|%z%Z|%Q|%", date)).toBe("100% \n\t||%Q|%");
  expect(strftime("%s", new Date(1_700_000_000_999))).toBe("1700000000");
  expect(strftime("%s", new Date(5000))).toBe("5");
  const early = new Date(2024, 2, 5);
  early.setFullYear(5);
  expect(strftime("%Y", early)).toBe("5");
});

test("weeks at the beginning of 2025, by each of their first days", () => {
  const weeks = Array.from({ length: 15 }, (_, day) => strftime("%U%W%V%w%u", new Date(2025, 0, day + 1)));
  expect(weeks.join(" ")).toBe(
    "00000133 00000144 00000155 00000166 01000107 01010211 01010222 01010233 01010244 01010255 01010266 02010207 02020311 02020322 02020333",
  );
});

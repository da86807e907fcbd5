/** Output formats of a report. */
export const reportFormats = ["table", "markdown", "json", "csv", "html"] as const;

/** Output format of a report. */
export type ReportFormat = (typeof reportFormats)[number];

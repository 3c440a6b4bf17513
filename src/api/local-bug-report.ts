import { z } from "zod";
import { instantSchema } from "./primitives.ts";

/** Of the local API: what somebody needs to find out what is wrong here (`docs/bug-reports.md`). */

export const bugReportRequestSchema = z.strictObject({
  /** Public addresses stay as they are. */
  addresses: z.boolean().default(false),
});
export type BugReportRequest = z.output<typeof bugReportRequestSchema>;

/** Beside these a section for each subject; one that could not be gathered is `{"error":{"code","message"}}`. */
export const bugReportSchema = z.looseObject({
  schemaVersion: z.literal(1),
  createdAt: instantSchema,
  /** Null: it is the daemon's own word. Else why there is none: then a command wrote it, by what the disk says. */
  noDaemon: z.string().nullable(),
});
export type BugReport = z.output<typeof bugReportSchema>;

import { z } from "zod";
import { LOG_LEVEL_NAMES } from "../base/log-levels.ts";
import { quote } from "../base/quote.ts";

const levelSchema = z.enum(LOG_LEVEL_NAMES, `one of ${LOG_LEVEL_NAMES.join(", ")}`);

/** `{default: warn, dns: debug}`: from which level on each of `subsystems` is logged, and all others. */
export function logLevelsSchema(subsystems: readonly string[]) {
  const known = ["default", ...subsystems];
  return z.record(z.string(), levelSchema).superRefine((levels, context) => {
    for (const name of Object.keys(levels).filter((one) => !known.includes(one))) {
      const message = `there is no subsystem ${quote(name)}: it is one of ${known.join(", ")}`;
      context.addIssue({ code: "custom", path: [name], message });
    }
  });
}

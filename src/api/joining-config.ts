import { z } from "zod";
import { nameSchema } from "./primitives.ts";

/** Of the configuration files of whoever joins a network, peer or relay: where, by which token, and under which name. */
export const joiningShape = {
  /** One URL or several, tried in order. */
  server: z
    .union([
      z
        .string()
        .min(1)
        .transform((one) => [one]),
      z.array(z.string().min(1)).min(1).max(8),
    ])
    .optional(),
  token: z.string().min(1).max(2048).optional(),
  token_file: z.string().min(1).optional(),
  name: nameSchema.optional(),
};

import { readFileSync } from "node:fs";
import { z } from "zod";
import type { IpRoute } from "./ip-route.ts";

/**
 * How to take back what we did to an interface. Interfaces are known by name *and* index within one boot: after a crash our
 * interface is gone, and another program may have made one of the same name.
 */
export const hostStepSchema = z.discriminatedUnion("kind", [
  z.object({
    kind: z.literal("remove-address"),
    boot: z.string(),
    interfaceName: z.string(),
    interfaceIndex: z.number(),
    address: z.string(),
  }),
  z.object({
    kind: z.literal("remove-route"),
    boot: z.string(),
    interfaceName: z.string(),
    interfaceIndex: z.number(),
    destination: z.string(),
  }),
]);
export type HostStep = z.output<typeof hostStepSchema>;

/** The kernel's name for this boot: what it held in an earlier one is gone. */
export function currentBoot(): string {
  return readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** Does nothing when there is nothing (any more) to take back. */
export async function undoHostStep(step: HostStep, ipRoute: IpRoute): Promise<void> {
  if (step.boot !== currentBoot()) return;
  const link = await ipRoute.link(step.interfaceName);
  if (link?.index !== step.interfaceIndex) return;
  switch (step.kind) {
    case "remove-address":
      return ipRoute.removeAddress(step.interfaceName, step.address);
    case "remove-route":
      return ipRoute.removeRoute(step.interfaceName, step.destination);
  }
}

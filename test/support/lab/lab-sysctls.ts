import type { Sysctls } from "../../../src/host/sysctl.ts";
import type { LabHost } from "./lab-host.ts";

/** The kernel settings of a lab host, for code of ours that runs outside of it. */
export function labSysctls(host: LabHost): Sysctls {
  return {
    read: async (key) => (await host.must("cat", `/proc/sys/${key.replaceAll(".", "/")}`)).trim(),
    write: (key, value) => host.sysctl(key, value),
  };
}

import { answers, type Routes } from "../route.ts";

/** Traffic on and off, and this machine's membership. */
export const lifecycleRoutes: Routes = {
  "POST /v1/up": answers("group", async (target) => {
    await target.up();
    return target.status();
  }),
  "POST /v1/down": answers("group", (target) => target.down()),
  "POST /v1/leave": answers("owner", (target) => target.leave()),
  "POST /v1/keys/rotate": answers("owner", (target) => target.rotateKeys()),
};

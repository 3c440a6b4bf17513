import { exitOfferRequestSchema, exitUseRequestSchema } from "../../../api/local-exit.ts";
import { answers, type Routes, takes } from "../route.ts";

/** Exits, and networks behind peers. */
export const exitRoutes: Routes = {
  "GET /v1/exit": answers("everybody", (target) => target.exits()),
  "POST /v1/exit/offer": takes("owner", exitOfferRequestSchema, (target, { offer }) => target.offerExit(offer)),
  "POST /v1/exit/use": takes("group", exitUseRequestSchema, (target, request) => target.useExit(request)),
  "POST /v1/exit/confirm": answers("group", (target) => target.confirmExit()),
  "POST /v1/exit/check": answers("group", (target) => target.checkExit()),
  "GET /v1/routes": answers("everybody", (target) => target.routes()),
};

import { filterAddSchema, filterDefaultRequestSchema, filterRemoveSchema } from "../../../api/local-filter.ts";
import { answers, type Routes, takes } from "../route.ts";

/** The packet filter. */
export const filterRoutes: Routes = {
  "GET /v1/filter": answers("group", (target) => target.filter.view()),
  "POST /v1/filter/add": takes("group", filterAddSchema, (target, request) => target.filter.add(request)),
  "POST /v1/filter/remove": takes("group", filterRemoveSchema, (target, request) => target.filter.remove(request)),
  "POST /v1/filter/default": takes("group", filterDefaultRequestSchema, (target, request) =>
    target.filter.setDefault(request),
  ),
};
